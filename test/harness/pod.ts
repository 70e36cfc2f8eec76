import { Child } from './child.ts'
import { programOf } from './daemon.ts'

/** Where Kubernetes puts the account of a pod. */
const ACCOUNT = '/var/run/secrets/kubernetes.io/serviceaccount'

/** The account of a pod: paths of the files that hold its token, and the authority of the cluster. */
export interface PodAccount {
  readonly token: string
  readonly ca: string
}

/** In namespaces of its own, so that nothing of it is seen outside, and nothing is left. The process stays the same. */
const ENTER = `set -e
mount -t tmpfs none /var/run
mkdir -p ${ACCOUNT}
cp "$1" ${ACCOUNT}/token
cp "$2" ${ACCOUNT}/ca.crt
shift 2
exec "$@"`

/** bin/nerve with these arguments as it is in a pod. */
export function startNerveInPod(args: readonly string[], { token, ca }: PodAccount): Child {
  const nerve = [process.execPath, ...programOf('nerve'), ...args]
  const command = ['--user', '--map-root-user', '--mount', 'sh', '-c', ENTER, 'pod', token, ca, ...nerve]
  return new Child('nerve in a pod', 'unshare', command, { detached: true })
}
