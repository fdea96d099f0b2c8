//! Nothing of the user's can meet a name of the expansion, and what stands around the function is kept.

#![allow(
    clippy::mixed_attributes_style,
    non_camel_case_types,
    dead_code,
    unused_macros,
    unused_imports,
    reason = "the names are the point"
)]

use tests::World;

/// Names that the expansion would use if it were careless.
mod hostile {
    use ::redlock::redlock;

    use tests::World;

    pub(super) mod core {}
    pub(super) mod std {}
    pub(super) struct Option;
    pub(super) struct Result;
    pub(super) struct Some;
    pub(super) struct Ok;
    pub(super) struct Err;
    pub(super) struct String;
    pub(super) struct Call;

    macro_rules! format {
        () => {};
    }
    macro_rules! format_args {
        () => {};
    }
    pub(super) use {format, format_args};

    #[redlock(
        key = "{call}:{value}:{fire}",
        ttl = "10s",
        lock = world.locks,
        dedupe_for = "1ms",
        condition = value > 0,
        guard = held
    )]
    pub(super) async fn names(
        world: &World,
        call: u8,
        value: u8,
        fire: u8,
    ) -> ::redlock::Result<u8> {
        let lock = held.unwrap();
        assert!(lock.key().starts_with("1:2:3"));
        ::redlock::Result::Ok(call + value + fire)
    }

    #[redlock(key = "u", ttl = "10s", lock = world.locks, on_busy = skip, fire = value)]
    pub(super) async fn unit(world: &World, value: u64) {
        let call = value;
        assert_eq!(call, 7);
    }
}

/// Made by a macro of the user's, with the literal passed through.
macro_rules! locked {
    ($name:ident, $key:expr, $ttl:literal, $arg:ident) => {
        #[::redlock::redlock(key = $key, ttl = $ttl, lock = world.locks)]
        #[allow(deprecated, reason = "one key for all calls is meant")]
        async fn $name(world: &World, $arg: u8) -> ::redlock::Result<u8> {
            Ok($arg)
        }
    };
}

locked!(by_macro, "macro", "10s", call);

/// Documented, deprecated, inlined: each attribute stays where it was.
#[::redlock::redlock(key = const "attrs", ttl = "10s", lock = world.locks)]
#[must_use = "kept"]
#[allow(clippy::needless_pass_by_value, unused_variables)]
#[inline]
pub(crate) async fn attributes(
    world: &World,
    unused: ::std::string::String,
) -> ::redlock::Result<&'static str> {
    #![allow(unused_mut)]
    let mut line = "kept";
    Ok(line)
}

#[tokio::test]
async fn no_name_clashes() {
    let world = World::new().await;
    assert_eq!(hostile::names(&world, 1, 2, 3).await.unwrap(), 6);
    hostile::unit(&world, 7).await;
    assert_eq!(by_macro(&world, 7).await.unwrap(), 7);
    assert_eq!(
        attributes(&world, ::std::string::String::new())
            .await
            .unwrap(),
        "kept"
    );
}
