// Every check type nerve knows. To add one, write its file and list it here.
export { http } from './http.ts'
export { mysql } from './mysql.ts'
export { noop } from './noop.ts'
export { redis } from './redis.ts'
export { tcp } from './tcp.ts'
