//! `read.lua` and `write.lua` of registers: the value that a node stores for a key beside its lock.

mod record;

use self::record::Record;
use super::{Args, Raised, Redis, Reply, lua_number};

/// Maximum length of a promise in a reply, in bytes.
const SHOWN: usize = 20;

pub(super) fn read(redis: &mut Redis<'_>, keys: Args<'_>, args: Args<'_>) -> Result<Reply, Raised> {
    let (key, holder) = (keys.at(0), args.at(0));
    let Some(mut record) = Record::of(redis.get(key)?) else {
        return Ok(bad_record());
    };
    if holder != b"0" {
        if lua_number(&record.promise) > lua_number(holder) {
            return Ok(newer(&record));
        }
        record.promise = holder.to_vec();
        record.save(redis, key, args.number(1)?)?;
    }
    let mut parts = vec![Reply::bulk("VERSION")];
    parts.extend([record.token, record.seq, record.expires].map(Reply::Bulk));
    parts.extend(record.value.map(Reply::Bulk));
    Ok(Reply::Array(parts))
}

pub(super) fn write(
    redis: &mut Redis<'_>,
    keys: Args<'_>,
    args: Args<'_>,
) -> Result<Reply, Raised> {
    let (key, token, seq) = (keys.at(0), args.at(0), args.at(1));
    let Some(record) = Record::of(redis.get(key)?) else {
        return Ok(bad_record());
    };
    if lua_number(&record.promise) > lua_number(token) {
        return Ok(newer(&record));
    }
    let stored = (lua_number(&record.token), lua_number(&record.seq));
    if (lua_number(token), lua_number(seq)) > stored {
        let record = Record {
            promise: token.to_vec(),
            token: token.to_vec(),
            seq: seq.to_vec(),
            expires: args.at(2).to_vec(),
            value: (args.at(3) == b"+").then(|| args.at(4).to_vec()),
        };
        record.save(redis, key, args.number(5)?)?;
    }
    Ok(Reply::OK)
}

fn newer(record: &Record) -> Reply {
    let shown = &record.promise[..record.promise.len().min(SHOWN)];
    Reply::Array(vec![Reply::bulk("NEWER"), Reply::bulk(shown)])
}

fn bad_record() -> Reply {
    Reply::Array(vec![Reply::bulk("BADRECORD")])
}
