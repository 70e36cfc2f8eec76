// Every check type nerve knows. To add one, write its file and list it here.
export { noop } from './noop.ts'
export { tcp } from './tcp.ts'
