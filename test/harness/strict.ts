// Loaded before every run of mocha. Mocha 12 catches unhandled rejections and drops them; here they fail the running test.
process.on('unhandledRejection', (reason) => {
  throw reason
})
