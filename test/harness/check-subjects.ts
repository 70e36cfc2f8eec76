import { createCertificates } from './certificates.ts'
import type { Closable, Subject, Workshop } from './check-subject.ts'
import { startDataSubjects } from './check-subjects-data.ts'
import { startWebSubjects } from './check-subjects-web.ts'

export interface Subjects {
  readonly all: readonly Subject[]
  close(): Promise<void>
}

/** Starts a real server for every type of check that talks to one, and for each of its ways to talk TLS. */
export async function startSubjects(): Promise<Subjects> {
  const certificates = await createCertificates()
  const started: Closable[] = [certificates]
  const close = async () => {
    for (const each of started.reverse()) await each.close()
  }
  const workshop: Workshop = {
    certificates,
    expired: { ...certificates, server: certificates.expired },
    async keep(starting) {
      const server = await starting
      started.push(server)
      return server
    },
  }
  try {
    return { all: [...(await startWebSubjects(workshop)), ...(await startDataSubjects(workshop))], close }
  } catch (error) {
    await close()
    throw error
  }
}
