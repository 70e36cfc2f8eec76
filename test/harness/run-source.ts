// Runs a program from its sources, as bin/ runs the built one: `node --import tsx test/harness/run-source.ts nerve -c FILE`.
const [name] = process.argv.splice(2, 1)
const { main } = (await import(`../../src/${name === 'smartstack' ? 'cli' : name}/main.ts`)) as {
  main(): Promise<number>
}
process.exit(await main())
