// npm run schema: writes the JSON Schemas that editors check configurations with, made from the daemons' own schemas.
import { mkdir, writeFile } from 'node:fs/promises'
import { configSchemas } from './config-schemas.ts'

const directory = new URL('../config/schema/', import.meta.url)

await mkdir(directory, { recursive: true })
for (const [file, text] of configSchemas()) await writeFile(new URL(file, directory), text)
