import assert from 'node:assert/strict'
import { PromptSplitter } from '../../../../../src/synapse/generators/haproxy/framing.ts'

describe('PromptSplitter', () => {
  // As HAProxy 2.6.12 writes them: greeting, silent success, one and two line feeds, several lines, a `>` inside.
  const answers = ['', '', '[6]: New server registered.\n', 'Server deleted.', '1\n# a b\n1 2\n', 'x> y\n>z']
  const stream = answers.map((answer) => `${answer}\n> `).join('')

  it('PromptSplitter finds the same answers wherever the stream is cut', () => {
    for (let cut = 0; cut <= stream.length; cut++) {
      const splitter = new PromptSplitter(1024)
      const found = [stream.slice(0, cut), stream.slice(cut)].flatMap((chunk) => splitter.push(chunk))
      assert.deepEqual(found, answers, `cut at ${cut}`)
      assert.equal(splitter.rest, '')
    }
  })

  it('PromptSplitter finds the same answers one character at a time', () => {
    const splitter = new PromptSplitter(1024)
    assert.deepEqual(
      [...stream].flatMap((character) => splitter.push(character)),
      answers,
    )
  })

  it('PromptSplitter keeps an answer that is not complete', () => {
    const splitter = new PromptSplitter(1024)
    assert.deepEqual(splitter.push('one\n> half of it\n>'), ['one'])
    assert.equal(splitter.rest, 'half of it\n>')
    assert.deepEqual(splitter.push(' '), ['half of it'])
  })

  it('PromptSplitter refuses an answer without end', () => {
    const splitter = new PromptSplitter(10)
    splitter.push('0123456789')
    assert.throws(() => splitter.push('0'), RangeError)
  })

  it('PromptSplitter counts the limit per answer, not per chunk', () => {
    const splitter = new PromptSplitter(10)
    assert.equal(splitter.push('01234\n> '.repeat(100)).length, 100)
  })
})
