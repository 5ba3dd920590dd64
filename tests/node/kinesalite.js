// A Kinesis on the loopback interface, on the port that is given: streams and shards change at once.
'use strict'

// Version 3.3.3 never answers a call for an iterator AT_TIMESTAMP to a shard that holds nothing at or
// behind that time, which is every shard closed before it. Kinesis gives one at the shard's end: that is
// asked for instead. The actions are loaded with the package, so this comes first.
const place = require.resolve('kinesalite/actions/getShardIterator')
const db = require('kinesalite/db')
const iterator = require(place)
require.cache[place].exports = (store, data, answer) => {
  if (data.ShardIteratorType !== 'AT_TIMESTAMP') return iterator(store, data, answer)
  const shard = db.resolveShardId(data.ShardId).shardIx
  const range = { gt: db.shardIxToHex(shard), lt: db.shardIxToHex(shard + 1) }
  let isThere = false
  store.getStreamDb(data.StreamName).createReadStream(range)
    .on('data', item => { isThere ||= item.value.ApproximateArrivalTimestamp >= data.Timestamp })
    .on('error', answer)
    .on('end', () => {
      const { StreamName, ShardId } = data
      const end = { StreamName, ShardId, ShardIteratorType: 'LATEST' }
      iterator(store, isThere ? data : end, answer)
    })
}

const kinesalite = require('kinesalite')

const [port] = process.argv.slice(2)
const options = { createStreamMs: 0, deleteStreamMs: 0, updateStreamMs: 0, shardLimit: 1000 }
kinesalite(options).listen(Number(port), '127.0.0.1')
