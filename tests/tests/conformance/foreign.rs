//! Values under the keys of locks that no client has written.

use rand::RngExt as _;
use redlock::__wire;

use crate::plan::{Draw, OWNERS, TOKEN};

/// Markers of the strict restart guard: some that clients write, and then others.
pub(crate) const MARKERS: [&str; 14] = [
    "aaaa 60000",
    "aaaa 60000 5",
    "aaaa 60000 6",
    "aaaa 30000",
    "bbbb 60000",
    "",
    "aaaa",
    "aaaa 60000 ",
    "aaaa  60000",
    "aaaa 60000 5 6",
    "aaaa 60000 x",
    " aaaa 60000",
    "aaaa 060000 05",
    "aaaa 60000 99999999999999999999999",
];
/// How many of them clients write.
pub(crate) const OURS: usize = 5;

/// Invalid fences, some of which are nearly valid.
const FENCES: [&str; 16] = [
    "",
    "abc",
    "12abc",
    " 12",
    "12\n",
    "12\0",
    "-5",
    "1e5",
    "0x10",
    "0",
    "0000000000000017",
    "9007199254740991",
    "12345678901234567",
    "99999999999999999999",
    "100000000000000000000000000",
    "000000000000000000000000000001",
];

/// Records of a register, and nearly valid ones.
const REGISTERS: [&str; 9] = [
    "0 0 0 0 -",
    "1790000000000003 1790000000000002 1 1790000000000 +a value",
    "7 1790000000000002 001 0 +",
    "99999999999999999999999 1 1 1 -a value",
    "1 1 1 +",
    "1  1 1 1 +",
    "1 1 1 1 x",
    "1 1 -1 1 +",
    "",
];

/// Newest requests, and what nearly is one.
const NEWEST: [&str; 8] = [
    "1790000000000003 two",
    "1790000000000003 two words",
    "17 ",
    "17",
    " two",
    "0000000000000017 two",
    "12345678901234567 two",
    "-1 two",
];

/// A text for the key with this purpose: 0 a lock, 1 a fence, 2 the waiters, 3 a marker, 4 a quarantine, 5 the record of
/// node lists, 6 a register, 7 the newest request. Now and then one for another purpose.
pub(crate) fn text(draw: &mut Draw, purpose: usize) -> Vec<u8> {
    let purpose = match draw.chance(15) {
        true => draw.random.random_range(0..8),
        false => purpose,
    };
    match purpose {
        0 | 2 => value(draw),
        1 if draw.chance(50) => {
            let fence = TOKEN + draw.random.random_range(0..12);
            fence.to_string().into_bytes()
        }
        1 => draw.one_of(&FENCES).into(),
        3 | 4 => match draw.chance(10) {
            true => format!("{} 60000", "p".repeat(100)).into_bytes(),
            false => draw.one_of(&MARKERS).into(),
        },
        6 => draw.one_of(&REGISTERS).into(),
        7 => draw.one_of(&NEWEST).into(),
        _ => record(draw),
    }
}

pub(crate) fn value(draw: &mut Draw) -> Vec<u8> {
    let owner = draw.random.random_range(0..OWNERS);
    match draw.random.random_range(0..12) {
        0..5 => __wire::owner(owner).into_bytes(),
        5 | 6 => __wire::cool_down(owner).into_bytes(),
        7 => Vec::new(),
        8 => b"a value\r\n\0\xff of another".to_vec(),
        9 => {
            let length = draw.one_of(&[31, 32, 33, 34, 63, 64, 65]);
            vec![b'x'; length]
        }
        10 => vec![b'y'; 100_000],
        _ => b"17".to_vec(),
    }
}

/// The owners that a force release names.
pub(crate) fn owners(draw: &mut Draw) -> Vec<Vec<u8>> {
    let count = draw.random.random_range(0..4);
    let mut owner = || match draw.chance(25) {
        // All values that are too long for an owner.
        true => Vec::new(),
        false => value(draw),
    };
    (0..count).map(|_| owner()).collect()
}

/// A record of node lists, or something like it. Times are long past or far away.
fn record(draw: &mut Draw) -> Vec<u8> {
    if draw.chance(15) {
        return draw
            .one_of(&[
                "",
                "a record",
                "ab cd",
                "ab cd 0",
                "xy cd 0\n",
                "ab cd -1\n",
            ])
            .into();
    }
    let times = ["0", "1700000000000", "4000000000000", "4000000000000000"];
    let (id, life) = (draw.id(), draw.id());
    let mut text = format!("{id} {life} {}\n", draw.one_of(&times));
    for _ in 0..draw.random.random_range(0..3) {
        let count = draw.random.random_range(0..5);
        let mut ids: Vec<String> = (0..count).map(|_| draw.id()).collect();
        // No client writes one twice, and the two sides would count that differently.
        ids.sort_unstable();
        ids.dedup();
        let ids = ids.join(",");
        let line = match draw.random.random_range(0..8) {
            0 | 1 => format!("was {ids}"),
            2 => format!("{} 3 {ids}", draw.one_of(&times)),
            3 => "a line".to_owned(),
            _ => {
                let size = draw.random.random_range(1..6);
                format!("{} {size} {ids} of a, b", draw.one_of(&times))
            }
        };
        text += &line;
        text.push('\n');
    }
    if draw.chance(50) {
        text.pop();
    }
    text.into_bytes()
}
