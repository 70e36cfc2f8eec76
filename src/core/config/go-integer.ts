import type { ScalarTag } from 'yaml'

/**
 * Whole numbers as Go's yaml.v2 reads them, which is YAML 1.1: `010` is 8, `0b11` is 3, and underscores do not count. To
 * YAML 1.2 these are 10, and text. A leading zero before an 8 or 9 says nothing to either.
 */
export const goInteger: ScalarTag = {
  tag: 'tag:yaml.org,2002:int',
  default: true,
  test: /^[-+]?(?:0[xX]_*[0-9a-fA-F][0-9a-fA-F_]*|0[bB]_*[01][01_]*|0[oO]_*[0-7][0-7_]*|[0-9][0-9_]*)$/,
  resolve(text) {
    const digits = text.replaceAll(/[-+_]/g, '')
    const number = Number(digits.replace(/^0(?=[0-7]+$)/, '0o'))
    return text.startsWith('-') ? -number : number
  },
}
