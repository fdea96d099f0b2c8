//! Fencing tokens are stored and read again.

use redlock::{FencingToken, Redlock, memory};

#[tokio::test]
async fn f60_a_token_survives_a_column_a_text_and_json() {
    let redlock = Redlock::connect(memory::Nodes::new(3).nodes())
        .await
        .unwrap();
    let token = redlock.lock("a").await.unwrap().token();
    assert_eq!(FencingToken::try_from(i64::from(token)), Ok(token));
    assert_eq!(FencingToken::try_from(u64::from(token)), Ok(token));
    assert_eq!(token.to_string().parse(), Ok(token));
    let json = serde_json::to_string(&token).unwrap();
    assert_eq!(json, token.to_string());
    assert_eq!(serde_json::from_str::<FencingToken>(&json).unwrap(), token);
    assert!(FencingToken::try_from(-1_i64).is_err());
    assert!(FencingToken::try_from(u64::MAX).is_err());
    assert!("seven".parse::<FencingToken>().is_err());
    assert!(serde_json::from_str::<FencingToken>("-1").is_err());
}
