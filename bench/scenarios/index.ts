// Every scenario, in the order in which they run. To add one, write its file and list it here.
export { propagation } from './propagation.ts'
export { bulk } from './bulk.ts'
