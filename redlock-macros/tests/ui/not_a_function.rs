//! Items that are not functions with a body.

use redlock::{Result, redlock};

struct Account;

#[redlock(key = "x", ttl = "10s")]
impl Account {}

#[redlock(key = "x", ttl = "10s")]
struct Other;

trait Store {
    #[redlock(key = "x", ttl = "10s")]
    async fn put(&self) -> Result<()>;
}

fn main() {}
