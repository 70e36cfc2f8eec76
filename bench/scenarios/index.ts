// Every scenario, in the order in which they run. To add one, write its file and list it here.
export { bulk } from './bulk.ts'
export { churn } from './churn.ts'
export { large } from './large.ts'
export { nerve } from './nerve.ts'
export { outage } from './outage.ts'
export { propagation } from './propagation.ts'
export { reload } from './reload.ts'
export { replace } from './replace.ts'
