//! `announce.lua`: makes a client and its list of nodes known to the node, and the node to the
//! client.

use super::super::{Args, Raised, Redis, Reply, number};
use crate::quorum::lists::NodeList;

/// Maximum number of lists in a record, beside the client's own.
const MAX_LISTS: usize = 16;
/// Maximum number of former ids that a node remembers.
const FORMER: usize = 8;
/// The beginning of the line of former ids.
const WAS: &str = "was ";

/// The record: the identity of the node, and the lists that clients have announced.
struct Record {
    id: String,
    life: String,
    /// When a client that knew the node found it empty, in milliseconds since the epoch; 0: never.
    emptied: u64,
    /// The ids by which clients knew the node before it lost its data, the latest last.
    former: Vec<String>,
    lists: String,
}

impl Record {
    fn read(stored: &str) -> Option<Self> {
        let (first, lists) = stored.split_once('\n')?;
        let mut words = first.split(' ');
        let (id, life, emptied) = (words.next()?, words.next()?, words.next()?);
        let is_id =
            |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !is_id(id) || !is_id(life) || words.next().is_some() {
            return None;
        }
        // In Lua: `\nwas (%S+)`, which skips a line without ids.
        let former = lists
            .split('\n')
            .filter_map(|line| line.strip_prefix(WAS))
            .find(|ids| ids.starts_with(|c: char| !c.is_whitespace()))
            .and_then(|ids| ids.split_whitespace().next());
        Some(Self {
            id: id.to_owned(),
            life: life.to_owned(),
            emptied: number(emptied.as_bytes())?,
            former: ids(former.unwrap_or_default()).map(str::to_owned).collect(),
            lists: lists.to_owned(),
        })
    }

    /// Records the id by which a client knew the node before it lost its data, if another client
    /// has given the node a new one since.
    fn remember(&mut self, known: String) {
        if !known.is_empty() && known != self.id && !self.former.contains(&known) {
            self.former.push(known);
            let dropped = self.former.len().saturating_sub(FORMER);
            self.former.drain(..dropped);
        }
    }

    /// The text of the record, with these lists.
    fn write(&self, lists: &[String]) -> String {
        let Self {
            id, life, emptied, ..
        } = self;
        let was = match self.former.is_empty() {
            true => String::new(),
            false => format!("{WAS}{}\n", self.former.join(",")),
        };
        format!("{id} {life} {emptied}\n{was}{}", lists.join("\n"))
    }

    fn reply(self, since: i64, refused: String) -> Reply {
        Reply::Array(vec![
            Reply::bulk("NODE"),
            Reply::bulk(self.id),
            Reply::bulk(self.life),
            Reply::Int(since),
            Reply::bulk(refused),
            Reply::bulk(self.former.join(",")),
        ])
    }
}

/// A list in the record.
struct Listed<'a> {
    until: u64,
    ids: &'a str,
    names: &'a str,
    list: NodeList,
}

impl<'a> Listed<'a> {
    fn read(line: &'a str) -> Option<Self> {
        let mut parts = line.splitn(4, ' ');
        let until = number(parts.next()?.as_bytes())?;
        let (size, ids, names) = (parts.next()?, parts.next()?, parts.next()?);
        let list = NodeList {
            size: size.parse().ok()?,
            met: self::ids(ids).map(str::to_owned).collect(),
        };
        Some(Self {
            until,
            ids,
            names,
            list,
        })
    }
}

/// The ids in a text, separated by any other characters.
fn ids(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_ascii_hexdigit())
        .filter(|id| !id.is_empty())
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

pub(crate) fn announce(
    redis: &mut Redis<'_>,
    keys: Args<'_>,
    args: Args<'_>,
) -> Result<Reply, Raised> {
    let (key, now) = (keys.at(0), redis.time());
    let (fresh, known) = (text(args.at(0)), text(args.at(1)));
    let (renames, lifetime) = (args.at(7) == b"1", args.number(6)?);
    let stored = text(redis.get(key)?.unwrap_or_default());
    let mut record = match Record::read(&stored) {
        Some(record) if !renames => record,
        _ => Record {
            emptied: if known.is_empty() || renames { 0 } else { now },
            id: if known.is_empty() {
                fresh.clone()
            } else {
                known.clone()
            },
            life: fresh,
            former: Vec::new(),
            lists: String::new(),
        },
    };
    record.remember(known);
    // If the clock was set back, the duration is unknown.
    let since = match record.emptied {
        0 => -1,
        emptied => (now.checked_sub(emptied)).map_or(-1, |ago| i64::try_from(ago).unwrap_or(-1)),
    };
    let given = text(args.at(3));
    let mut mine = NodeList {
        size: text(args.at(2)).parse().unwrap_or(0),
        met: Vec::new(),
    };
    let this = (args.at(4) == b"1").then_some(record.id.as_str());
    for id in ids(&given).chain(this) {
        if !mine.met.iter().any(|met| met == id) {
            mine.met.push(id.to_owned());
        }
    }
    let (mut kept, refused) = judge(&record.lists, &mine, now);
    if let Some(refused) = refused {
        return Ok(record.reply(since, refused));
    }
    if lifetime > 0 {
        mine.met.sort_unstable();
        let (until, size, names) = (now + lifetime, mine.size, text(args.at(5)));
        kept.push(format!("{until} {size} {} {names}", mine.met.join(",")));
    }
    let stored_anew = record.write(&kept);
    // The script ignores an error (`pcall`).
    if redis.set(key, stored_anew.as_bytes(), None).is_err() && stored.is_empty() {
        record.life = String::new();
        return Ok(record.reply(-1, String::new()));
    }
    Ok(record.reply(since, String::new()))
}

/// The other lists that are still in use, and one of them that may conflict with this one.
fn judge(lists: &str, mine: &NodeList, now: u64) -> (Vec<String>, Option<String>) {
    let mut kept = Vec::new();
    let mut refused = None;
    for line in lists.split('\n') {
        let Some(listed) = Listed::read(line).filter(|listed| listed.until > now) else {
            continue;
        };
        if mine.may_conflict_with(&listed.list) {
            let left = listed.until - now;
            refused.get_or_insert_with(|| format!("{left} {} {}", listed.ids, listed.names));
        }
        // A part of this list was announced when fewer nodes were known. It is replaced.
        if !listed.list.is_part_of(mine) {
            kept.push(line.to_owned());
        }
    }
    if refused.is_none() && kept.len() >= MAX_LISTS {
        refused = Some("0  of 16 other lists".to_owned());
    }
    (kept, refused)
}
