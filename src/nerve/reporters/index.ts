// Every reporter type nerve knows. To add one, write its file and list it here.
export { console } from './console.ts'
export { etcd } from './etcd.ts'
export { file } from './file.ts'
export { noop } from './noop.ts'
export { zookeeper } from './zookeeper.ts'
