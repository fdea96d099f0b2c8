//! A part of the key without `Display`.

use redlock::{Result, redlock};

struct Opaque;

#[redlock(key = "order:{part}", ttl = "10s")]
async fn part(part: Opaque) -> Result<()> {
    Ok(())
}

#[redlock(key = whole, ttl = "10s")]
async fn whole(whole: Option<&str>) -> Result<()> {
    Ok(())
}

fn main() {}
