// A Kinesis on the loopback interface, on the port that is given: streams and shards change at once.
'use strict'

const kinesalite = require('kinesalite')

const [port] = process.argv.slice(2)
const options = { createStreamMs: 0, deleteStreamMs: 0, updateStreamMs: 0, shardLimit: 1000 }
kinesalite(options).listen(Number(port), '127.0.0.1')
