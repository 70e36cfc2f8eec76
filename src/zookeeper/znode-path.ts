/** The characters that ZooKeeper's own PathUtils refuses: controls, surrogates, private use and specials. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it looks for
const FORBIDDEN = /[\u0000-\u001f\u007f-\u009f\ud800-\uf8ff\ufff0-\uffff]/

/**
 * What is wrong with a znode path, in words, or undefined when it is fine. The server would close the connection of
 * everybody who shares the session over some of these, so they are found before anything is sent.
 */
export function pathProblem(path: string): string | undefined {
  if (!path.startsWith('/')) return 'it does not start with /'
  if (path === '/') return undefined
  if (path.endsWith('/')) return 'it ends with /'
  if (path.includes('//')) return 'it has an empty part'
  if (path.includes('/.') && /\/\.\.?(?:\/|$)/.test(path)) return 'it has a relative part'
  if (FORBIDDEN.test(path)) return 'it has a character that ZooKeeper does not allow'
  return undefined
}

/** The path of the parent; the root's is the root. */
export function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/')) || '/'
}
