import assert from 'node:assert/strict'
import { type AdminRoute, isLoopback, json, matchRoute, whyRefused } from '../../../src/core/admin-routes.ts'

const route = (path: string, methods: AdminRoute['methods'] = ['GET'], changes = false): AdminRoute => ({
  ...{ path, methods, changes },
  answer: () => json(200, path),
})

describe('matchRoute()', () => {
  const routes = [route('/status'), route('/services/:name/weight/:weight', ['PUT']), route('/status', ['PUT'])]
  routes.push(route('/disable', ['PUT', 'GET'], true))
  const cases = [
    { method: 'GET', path: '/status', expected: 'GET /status {}' },
    { method: 'HEAD', path: '/status', expected: 'GET /status {}' },
    { method: 'PUT', path: '/status', expected: 'PUT /status {}' },
    { method: 'GET', path: '/disable', expected: 'PUT /disable {}' },
    { method: 'HEAD', path: '/disable', expected: 'other-method PUT GET' },
    { method: 'DELETE', path: '/status', expected: 'other-method GET PUT' },
    {
      method: 'PUT',
      path: '/services/a%20b:80/weight/7',
      expected: 'PUT /services/:name/weight/:weight {"name":"a b:80","weight":"7"}',
    },
    { method: 'PUT', path: '/services//weight/7', expected: 'unknown' },
    { method: 'PUT', path: '/services/%ff/weight/7', expected: 'unknown' },
    { method: 'GET', path: '/status/', expected: 'unknown' },
  ]
  for (const { method, path, expected } of cases) {
    it(`${method} ${path} is ${expected}`, () => {
      const match = matchRoute(routes, method, path)
      const told =
        match.kind === 'found'
          ? `${match.route.methods[0]} ${match.route.path} ${JSON.stringify(match.parameters)}`
          : `${match.kind} ${match.kind === 'other-method' ? match.allowed.join(' ') : ''}`.trim()
      assert.equal(told, expected)
    })
  }
})

describe('whyRefused()', () => {
  const isToken = (given: string) => given === 'secret'
  const cases = [
    { name: 'from this machine', address: '127.0.0.1', expected: undefined },
    { name: 'from this machine by GET', method: 'GET', address: '::1', expected: undefined },
    { name: 'from elsewhere', address: '10.0.0.9', expected: 'a token is needed from elsewhere' },
    {
      name: 'from elsewhere with the token',
      address: '10.0.0.9',
      headers: { authorization: 'Bearer secret' },
      expected: undefined,
    },
    {
      name: 'with another token',
      address: '10.0.0.9',
      headers: { authorization: 'Bearer guess' },
      expected: 'a token is needed from elsewhere',
    },
    {
      name: 'by GET with the token',
      method: 'GET',
      address: '10.0.0.9',
      headers: { authorization: 'Bearer secret' },
      expected: 'from another machine use PUT, with the token',
    },
    {
      name: 'through a proxy on this machine',
      address: '127.0.0.1',
      headers: { 'x-forwarded-for': '10.0.0.9' },
      expected: 'a token is needed from elsewhere',
    },
    {
      name: 'by a page of the web',
      address: '127.0.0.1',
      headers: { origin: 'http://evil.example' },
      expected: 'not from a web page',
    },
    {
      name: 'by an image in a page',
      method: 'GET',
      address: '127.0.0.1',
      headers: { 'sec-fetch-site': 'cross-site' },
      expected: 'not from a web page',
    },
    {
      name: 'by the address bar of a browser',
      method: 'GET',
      address: '127.0.0.1',
      headers: { 'sec-fetch-site': 'none' },
      expected: undefined,
    },
  ]
  for (const { name, method = 'PUT', address, headers = {}, expected } of cases) {
    it(`${expected === undefined ? 'lets in' : 'refuses'} a request ${name}`, () =>
      assert.equal(whyRefused({ method, address, headers }, isToken), expected))
  }
  it('refuses everybody from elsewhere while no token is configured', () => {
    const caller = { method: 'PUT', address: '10.0.0.9', headers: { authorization: 'Bearer undefined' } }
    assert.equal(whyRefused(caller, undefined), 'only from this machine: no token is configured')
  })
})

describe('isLoopback()', () => {
  for (const address of ['127.0.0.1', '127.8.9.1', '::1', '::ffff:127.0.0.1'])
    it(`${address} is this machine`, () => assert.equal(isLoopback(address), true))
  for (const address of ['10.0.0.1', '::', '::ffff:10.0.0.1', '127.0.0.1.evil.example', undefined])
    it(`${address} is not`, () => assert.equal(isLoopback(address), false))
})
