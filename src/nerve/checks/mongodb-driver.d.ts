// The parts of the driver that open one connection. Its MongoClient opens several, watches the server on its own between
// the runs and tries again where a check wants the reason.

declare module 'mongodb/lib/cmap/connect.js' {
  import type { Socket } from 'node:net'
  import type { Document, MongoOptions } from 'mongodb'
  import type { MongoClientAuthProviders } from 'mongodb/lib/mongo_client_auth_providers.js'

  export interface Connection {
    readonly closed: boolean
    command(namespace: { readonly db: string }, command: Document, options: object): Promise<Document>
    destroy(): void
  }

  export interface ConnectOptions extends MongoOptions {
    /** A connected socket. It is destroyed when the connection ends. */
    readonly existingSocket: Socket
    readonly authProviders: MongoClientAuthProviders
    /** In the driver's messages. */
    readonly hostAddress: string
    readonly id: number
    readonly generation: number
  }

  /** Says hello and logs in. */
  export function connect(options: ConnectOptions): Promise<Connection>
}

declare module 'mongodb/lib/mongo_client_auth_providers.js' {
  /** Makes what a way to log in needs, when it is needed. */
  export class MongoClientAuthProviders {
    getOrCreateProvider(mechanism: string): object
  }
}
