// One instance of the demo's web service. It answers its own port, so that a client can tell who served it.
import { createServer } from 'node:http'

const port = Number(process.argv[2])
createServer((_request, response) => {
  response.setHeader('content-type', 'application/json')
  response.end(`{"port":${port}}\n`)
}).listen(port, '127.0.0.1')
