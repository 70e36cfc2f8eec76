// Every reporter type nerve knows. To add one, write its file and list it here.
export { zookeeper } from './zookeeper.ts'
