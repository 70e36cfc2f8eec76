// Lines of packages that the bundle has in other words, which cost less memory and do the same.
//
// V8 makes a function that is assigned to a property where it is written in old space at once, and so the accessors of a
// literal. What a dead one of these can see, here a client and its socket, is then moved to old space too, and stays until
// that is collected: 5 kB for each check on a fresh connection, which is most of what an idle nerve grows by.

/** @type {Readonly<Record<string, readonly (readonly [string, string])[]>>} */
const edits = {
  'undici/lib/dispatcher/client.js': [
    [
      'this[kResume] = (sync) => resume(this, sync)',
      'const onResume = (sync) => resume(this, sync); this[kResume] = onResume',
    ],
    [
      'this[kOnError] = (err) => onError(this, err)',
      'const onFailure = (err) => onError(this, err); this[kOnError] = onFailure',
    ],
    ['!this[kHTTPContext].destroyed', '!this[kHTTPContext].isDestroyed()'],
    ['client[kHTTPContext].destroyed', 'client[kHTTPContext].isDestroyed()'],
  ],
  'undici/lib/dispatcher/client-h1.js': [['get destroyed () {', 'isDestroyed () {']],
}

/** Files whose lines were not changed yet. */
const left = new Set(Object.keys(edits))

/**
 * The code of a file of a package as the bundle has it.
 * @param {string} path
 * @param {string} code
 * @throws Error when a line to change is not there once: the package was updated.
 */
export function edited(path, code) {
  const [file, lines = []] = Object.entries(edits).find(([file]) => path.endsWith(`/node_modules/${file}`)) ?? []
  if (file !== undefined) left.delete(file)
  return lines.reduce((text, [from, to]) => {
    const parts = text.split(from)
    if (parts.length !== 2)
      throw new Error(`scripts/package-edits.mjs: found ${parts.length - 1} times in ${path}: ${from}`)
    return parts.join(to)
  }, code)
}

/** What the bundle should have changed, and did not even load. */
export const unedited = () => [...left].map((file) => `scripts/package-edits.mjs: nothing loads ${file} any more`)
