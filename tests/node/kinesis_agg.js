// Aggregates to and from files with npm's aws-kinesis-agg; the other side of txp-aws' example
// `aggregates`, for tests/python/kinesis_interop.py.
//
// usage: kinesis_agg.js write|read IN OUT
//
// One record a line, fields by tabs, keys and data in hexadecimal, `-` for no explicit hash key.
// write: partition key, explicit hash key, data -> the same of Kinesis records, 50 user records each.
// read: partition key, explicit hash key, data of Kinesis records -> line of the Kinesis record,
// subsequence, partition key, explicit hash key, data of user records.

'use strict';

const fs = require('fs');
const { RecordAggregator, deaggregateSync } = require('aws-kinesis-agg');

const USER_RECORDS_EACH = 50;

const toHex = (text) => Buffer.from(text).toString('hex');
const fromHex = (text) => Buffer.from(text, 'hex');

function write(rows) {
  const lines = [];
  const aggregator = new RecordAggregator();
  const put = () => {
    const { partitionKey, ExplicitHashKey, data } = aggregator.build();
    lines.push([toHex(partitionKey), ExplicitHashKey ?? '-', data.toString('hex')]);
  };
  for (const [key, hashKey, data] of rows) {
    const record = { partitionKey: fromHex(key).toString(), data: fromHex(data) };
    if (hashKey !== '-') record.explicitHashKey = hashKey;
    aggregator.addUserRecord(record);
    if (aggregator.length() === USER_RECORDS_EACH) put();
  }
  if (aggregator.length() > 0) put();
  return lines;
}

function read(rows) {
  const lines = [];
  rows.forEach(([key, , data], number) => {
    const record = {
      partitionKey: fromHex(key).toString(),
      sequenceNumber: '1',
      data: fromHex(data).toString('base64'),
    };
    deaggregateSync(record, true, (error, users) => {
      if (error) throw error;
      for (const user of users) {
        lines.push([
          number,
          user.subSequenceNumber ?? 0,
          toHex(user.partitionKey),
          user.explicitPartitionKey ?? '-',
          Buffer.from(user.data, 'base64').toString('hex'),
        ]);
      }
    });
  });
  return lines;
}

const [command, from, to] = process.argv.slice(2);
const rows = fs.readFileSync(from, 'utf8').split('\n').slice(0, -1).map((line) => line.split('\t'));
const lines = { write, read }[command](rows);
fs.writeFileSync(to, lines.map((line) => `${line.join('\t')}\n`).join(''));
