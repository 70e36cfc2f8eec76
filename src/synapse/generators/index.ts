// Every generator type synapse knows. To add one, write its file and list it here.
export { haproxy } from './haproxy/index.ts'
