//! A key without its name.

use redlock::{Result, redlock};

#[redlock("order", ttl = "10s")]
async fn bare() -> Result<()> {
    Ok(())
}

#[redlock(key(order, 1), ttl = "10s")]
async fn no_template() -> Result<()> {
    Ok(())
}

fn main() {}
