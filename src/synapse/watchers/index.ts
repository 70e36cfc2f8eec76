// Every watcher type synapse knows. To add one, write its file and list it here.
export { base } from './base.ts'
export { zookeeper } from './zookeeper.ts'
