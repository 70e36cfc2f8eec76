declare const SMARTSTACK_VERSION: string | undefined

/** The release: put in by the build (scripts/build.mjs). `dev` when the sources run unbuilt. */
export const version = typeof SMARTSTACK_VERSION === 'string' ? SMARTSTACK_VERSION : 'dev'
