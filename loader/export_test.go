package loader

// Debugging tells the tests whether this is a betongodebug build.
const Debugging = debugging
