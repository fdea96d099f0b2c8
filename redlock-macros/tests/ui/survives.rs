//! The item is kept with wrong arguments: one error for each, and no others.

use redlock::{Result, redlock};

/// Found by who calls it, with its type.
#[redlock(key = "order:{nobody}", tll = "10s", ttl = "ten")]
async fn order(id: u8) -> Result<u8> {
    Ok(id)
}

async fn caller() -> Result<()> {
    let _number: u8 = order(1).await?;
    Ok(())
}

fn main() {
    let _ = caller;
}
