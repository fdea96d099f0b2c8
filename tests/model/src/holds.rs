//! The models of the design: each is explored completely and has to reach the situations that it is
//! meant for.

use crate::actions::Protocol;
use crate::bounds::*;
use crate::config::Config;
use crate::coverage::Event::{self, *};
use crate::observed::Observed;
use crate::run;
use crate::rwlock::Sides;

fn holds(config: Config, reached: &[Event]) {
    let model = Protocol::new(config);
    // A short run may end before it reaches the situations.
    let ended = run::holds(&model);
    for &event in reached {
        assert!(
            !ended || model.seen.has(event),
            "{} never reached {event:?}",
            config.name
        );
    }
}

/// Larger bounds, which only a deep run explores.
fn holds_deep(config: Config) {
    if run::deep() {
        run::holds(&Protocol::new(config));
    } else {
        println!("skipped  {}: MODEL_DEPTH=deep runs it", config.name);
    }
}

#[test]
fn acquire() {
    holds(ACQUIRE, &[Granted, GrantedOnRetry, GrantedAgain]);
}

#[test]
fn acquire_more_tokens_deep() {
    holds_deep(Config {
        name: "acquire with duplicates, deep",
        tokens: 4,
        ..ACQUIRE
    });
}

#[test]
fn acquire_with_two_retries() {
    holds(RETRY, &[Granted, GrantedOnRetry, GrantedAgain]);
}

#[test]
fn acquire_again() {
    holds(AGAIN, &[Granted, GrantedAgain]);
}

#[test]
fn acquire_again_deep() {
    holds_deep(Config {
        name: "acquire again, deep",
        ttl: 2,
        ..AGAIN
    });
}

#[test]
fn acquire_again_more_tokens_deep() {
    holds_deep(Config {
        name: "acquire again with more tokens, deep",
        tokens: 3,
        ..AGAIN
    });
}

#[test]
fn acquire_among_three() {
    holds(THREE_CLIENTS, &[Granted, GrantedAgain]);
}

#[test]
fn acquire_among_three_deep() {
    holds_deep(THREE_CLIENTS_RETRY);
}

#[test]
fn acquire_on_four_nodes() {
    holds(FOUR_NODES, &[Granted, GrantedAgain]);
}

#[test]
fn acquire_on_five_nodes() {
    holds(FIVE_NODES, &[Granted, GrantedAgain]);
}

#[test]
fn acquire_on_five_nodes_with_a_retry() {
    holds(FIVE_NODES_RETRY, &[GrantedOnRetry, GrantedAgain]);
}

#[test]
fn acquire_on_five_nodes_deep() {
    holds_deep(Config {
        name: "acquire on five nodes, deep",
        ttl: 2,
        ..FIVE_NODES_RETRY
    });
}

#[test]
fn acquire_on_five_nodes_among_three() {
    holds(FIVE_NODES_THREE, &[Granted, GrantedAgain]);
}

#[test]
fn extend() {
    holds(EXTEND, &[Extended, Restored, GrantedAgain]);
}

#[test]
fn extend_with_retries() {
    holds(EXTEND_RETRY, &[Extended, Restored, GrantedOnRetry]);
}

#[test]
fn extend_with_retries_deep() {
    holds_deep(Config {
        name: "extend twice with retries, deep",
        extensions: 2,
        ttl: 3,
        drift: 1,
        ..EXTEND_RETRY
    });
}

#[test]
fn extend_on_five_nodes() {
    holds(EXTEND_FIVE, &[Extended, Restored]);
}

#[test]
fn cool_down() {
    holds(COOL_DOWN, &[CooledDown, Extended, GrantedAgain]);
}

#[test]
fn cool_down_that_arrives_again() {
    holds(
        COOL_DOWN_TWICE,
        &[CooledDown, CooledDownBefore, GrantedAgain],
    );
}

#[test]
fn cool_down_again_deep() {
    holds_deep(COOL_DOWN_AGAIN);
}

#[test]
fn late_releases() {
    holds(LATE, &[ArrivedAfterTheTtl, Refused, GrantedAgain]);
}

#[test]
fn late_cool_downs() {
    holds(
        LATE_COOL_DOWN,
        &[ArrivedAfterTheTtl, Refused, CooledDown, CoolDownAsRelease],
    );
}

#[test]
fn restart_strict() {
    holds(
        RESTART_STRICT,
        &[ForgotHolder, GrantedByGoneProcess, Extended, Restored],
    );
}

#[test]
fn restart_observed() {
    holds(
        RESTART_OBSERVED,
        &[ForgotHolder, GrantedByGoneProcess, Extended, Restored],
    );
}

#[test]
fn emptied_without_a_restart() {
    holds(EMPTIED_OBSERVED, &[ForgotHolder]);
    holds(EMPTIED_STRICT, &[ForgotHolder]);
}

#[test]
fn restart_from_a_snapshot() {
    holds(
        RESTART_SNAPSHOT,
        &[ForgotHolder, GrantedByGoneProcess, Extended, Restored],
    );
}

#[test]
fn restart_and_two_extensions() {
    holds(RESTART_RESTORED, &[ForgotHolder, Extended, Restored]);
}

#[test]
fn restart_on_five_nodes() {
    holds(RESTART_FIVE, &[ForgotHolder, GrantedByGoneProcess]);
}

#[test]
fn restart_and_cool_down() {
    holds(RESTART_COOL_DOWN, &[ForgotHolder, CooledDown]);
}

#[test]
fn restart_and_tokens() {
    holds(RESTART_TOKENS, &[ForgotHolder, GrantedAgain]);
}

#[test]
fn restart_tokens_and_cool_down_deep() {
    holds_deep(RESTART_WINDOW);
}

#[test]
fn restart_and_blocks() {
    holds(RESTART_BLOCKS, &[ForgotHolder, GrantedAgain, Turn]);
}

#[test]
fn token_blocks() {
    holds(BLOCKS, &[Turn, TurnOnFurtherBlock, Restored, GrantedAgain]);
}

#[test]
fn token_blocks_on_full_nodes() {
    let reached = [TurnOnFurtherBlock, FenceNotRaised, Restored, GrantedAgain];
    holds(BLOCKS_FULL, &reached);
}

#[test]
fn extend_on_full_nodes() {
    let config = Config {
        name: "extend on full nodes",
        ttl: 2,
        drift: 0,
        extend: &[1, 2],
        extensions: 1,
        may_be_full: true,
        ..EXTEND
    };
    holds(config, &[Extended, Restored, GrantedAgain]);
}

#[test]
fn further_token_blocks() {
    holds(
        FURTHER_BLOCKS,
        &[Turn, TurnOnFurtherBlock, Restored, GrantedAgain],
    );
}

#[test]
fn further_token_blocks_of_deleted_keys() {
    holds(DELETED_BLOCKS, &[Turn, TurnOnFurtherBlock, GrantedAgain]);
}

#[test]
fn further_token_blocks_deep() {
    holds_deep(Config {
        name: "further token blocks, deep",
        tokens: 5,
        ..FURTHER_BLOCKS
    });
}

/// RESTORED counts as a vote. None of these properties is violated. The design does not count it,
/// so that an extension never restores a lock that a majority has lost, which is more than these
/// properties require.
#[test]
fn restored_as_a_vote_deep() {
    for config in [
        EXTEND,
        EXTEND_RETRY,
        RESTART_RESTORED,
        RESTART_STRICT,
        BLOCKS,
    ] {
        holds_deep(Config {
            restored_votes: true,
            ..config
        });
    }
}

#[test]
fn newcomers_that_reach_all_nodes() {
    run::holds(&NEWCOMERS);
}

#[test]
fn newcomers_that_reach_an_old_node() {
    run::holds(&NEWCOMERS_PARTIAL);
}

#[test]
fn newcomers_with_the_stricter_rule() {
    run::holds(&NEWCOMERS_STRICTER);
}

#[test]
fn newcomers_deep() {
    for model in [
        Observed {
            restarts: 2,
            ..NEWCOMERS_STRICTER
        },
        Observed {
            clients: 3,
            restarts: 1,
            ..NEWCOMERS
        },
        Observed {
            restarts: 3,
            ..NEWCOMERS_PARTIAL
        },
        Observed {
            nodes: 5,
            ..NEWCOMERS
        },
    ] {
        if run::deep() {
            run::holds(&model);
        }
    }
}

#[test]
fn lists_with_one_node_exchanged() {
    run::holds(&ONE_EXCHANGED);
}

#[test]
fn lists_with_one_node_more() {
    run::holds(&ONE_MORE);
}

#[test]
fn f35_a_slot_that_moves() {
    run::holds(&SLOT_MOVES);
}

#[test]
fn f37_a_master_that_is_replaced() {
    run::holds(&MASTER_REPLACED);
}

#[test]
fn a_replica_that_is_promoted() {
    run::holds(&PROMOTED);
}

#[test]
fn permits_of_a_semaphore() {
    run::holds(&TWO_CLIENTS_AND_PERMITS);
}

#[test]
fn permits_of_a_semaphore_deep() {
    for model in [PERMITS, PERMITS_AGAIN, ONE_PERMIT] {
        if run::deep() {
            run::holds(&model);
        } else {
            println!("skipped  {}: MODEL_DEPTH=deep runs it", model.name);
        }
    }
}

#[test]
fn ticket_with_two_adopters() {
    run::holds(&TWO_ADOPTERS);
}

#[test]
fn ticket_with_an_adopter_and_a_stranger() {
    for model in [ADOPTER_AND_STRANGER, LATE_EXTENSION, ADOPTER_IN_ROUNDS] {
        run::holds(&model);
    }
}

#[test]
fn writer_and_readers() {
    run::holds(&Sides {
        ttl: 1,
        ..WRITER_AND_READERS
    });
}

#[test]
fn writers_and_reader_that_extend() {
    run::holds(&Sides {
        tokens: 2,
        ..WRITERS_AND_READER_EXTEND
    });
}

#[test]
fn writer_and_reader_in_rounds() {
    run::holds(&Sides {
        tokens: 2,
        ..SIDES_IN_ROUNDS
    });
}

#[test]
fn writers_that_wait() {
    run::holds(&Sides {
        ttl: 1,
        ..WAITING_WRITER
    });
    run::holds(&Sides {
        ttl: 1,
        ..WAITING_WRITERS
    });
    run::holds(&WAITING_IN_ROUNDS);
}

#[test]
fn sides_of_a_read_write_lock_deep() {
    if run::deep() {
        run::holds(&WAITING_WRITER);
        run::holds(&WAITING_WRITERS);
        run::holds(&WRITERS_AND_READER);
        run::holds(&SIDES_IN_ROUNDS);
        for model in [WRITERS_AND_READER_EXTEND, WRITER_AND_READERS_EXTEND] {
            run::holds(&model);
        }
        for model in [WRITER_AND_READERS, WRITERS_AND_READER] {
            run::holds(&Sides { tokens: 3, ..model });
        }
    }
}
