// What waits to be decided is indexed about once, however much it is.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { CallEffects } from '../../src/log/calleffects.ts'
import type { Call } from '../../src/log/calls.ts'

test('more calls than an index is to hold are not indexed again for each question', () => {
  const count = 150_000
  let indexed = 0
  const calls = Array.from({ length: count }, (_, i) => ({
    get kind() {
      indexed++
      return 'deleteAll'
    },
    prefix: `key ${i}\0`,
  })) as unknown as Call[]
  const effects = new CallEffects()
  for (let question = 0; question < 100; question++) {
    effects.index(calls, 0, 0)
    assert.is(effects.on(`key ${question}\0\0---------`, 0), false)
    assert.is(effects.on(`key ${count + question}\0\0---------`, 0), undefined)
  }
  assert.ok(indexed <= 2 * count, `${indexed} calls were indexed, and there are ${count}`)
})

test('what calls leave of a namespace is told without those about the other namespaces of its key', () => {
  const count = 2000
  const prefixOf = (namespace: number) => `key\0n${namespace}\0`
  const calls = Array.from({ length: count }, (_, i) => ({
    kind: 'replace',
    prefix: prefixOf(i),
    identity: `${prefixOf(i)}---------`,
  })) as unknown as Call[]
  const effects = new CallEffects()
  effects.index(calls, 0, 0)
  const { startsWith } = String.prototype
  const { on } = effects
  let looks = 0
  String.prototype.startsWith = function (...args) {
    looks++
    return startsWith.apply(this, args)
  }
  effects.on = (...args) => {
    looks++
    return on.apply(effects, args)
  }
  try {
    for (let namespace = 0; namespace < count; namespace++) {
      const { identities, of } = effects.behind(prefixOf(namespace), 0)
      assert.equal([...identities], [`${prefixOf(namespace)}---------`])
      assert.is(of(`${prefixOf(namespace)}---------`), true)
      assert.is(of(`${prefixOf(namespace)}other----`), false)
    }
  } finally {
    String.prototype.startsWith = startsWith
  }
  assert.ok(looks <= 3 * count, `${looks} looks for ${count} questions`)
})

test('what was asked is as it was at that moment, whatever calls are indexed before it is looked at', () => {
  const identity = 'key\0n\0---------'
  const calls = [{ kind: 'register', identity: 'key\0n\0--------1' }] as unknown as Call[]
  const effects = new CallEffects()
  effects.index(calls, 0, 0)
  const before = ['key\0', 'key\0n\0'].map((prefix) => effects.behind(prefix, 0))
  calls.push({ kind: 'deleteAll', prefix: 'key\0' } as unknown as Call)
  effects.index(calls, 0, 0)
  for (const { of, identities } of before) {
    assert.is(of(identity), undefined)
    assert.equal([...identities], ['key\0n\0--------1'])
  }
  for (const prefix of ['key\0', 'key\0n\0']) {
    const { of } = effects.behind(prefix, 0)
    assert.is(of(identity), false)
    assert.is(of('key\0n\0--------1'), false)
    assert.is(effects.behind(prefix, 2).of(identity), undefined)
  }
})

test.run()
