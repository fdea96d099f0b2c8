//! A name in the key that is not an argument.

use redlock::{Result, redlock};

struct User {
    id: u8,
}

#[redlock(key = "order:{usr.id}", ttl = "10s")]
async fn slip(user: User) -> Result<()> {
    Ok(())
}

#[redlock(key = "order:{order_id}", ttl = "10s")]
async fn other(user: User, (name, _): (u8, u8)) -> Result<()> {
    Ok(())
}

#[redlock(key = "order:{order_id}", ttl = "10s")]
async fn none() -> Result<()> {
    Ok(())
}

#[redlock(key = "order:{self.id}", ttl = "10s")]
async fn no_self(user: User) -> Result<()> {
    Ok(())
}

fn main() {}
