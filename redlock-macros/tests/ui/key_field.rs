//! A field that does not exist is reported at the key.

use redlock::{Result, redlock};

struct User {
    id: u8,
}

#[redlock(key = "order:{user.uid}", ttl = "10s")]
async fn f(user: User) -> Result<()> {
    Ok(())
}

fn main() {}
