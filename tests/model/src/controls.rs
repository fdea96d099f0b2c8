//! Control experiments: each rule is broken on purpose, and the property that depends on it has to
//! be violated.

use crate::actions::Protocol;
use crate::bounds::*;
use crate::config::Config;
use crate::lists::{self, Lists, Rule};
use crate::moved::{self, FirstSight, MoveRule, Moved};
use crate::mutants::Mutant::{self, *};
use crate::observed::{self, Newcomer, Observed};
use crate::permits::{self, Permits};
use crate::promoted::{self, Names, Promoted};
use crate::properties::{EXCLUSION, GUARD, ONCE, ORDER, ORPHANS};
use crate::run;
use crate::rwlock::{self, Sides};
use crate::ticket::{self, Tickets};

fn caught(mutant: Mutant, property: &'static str, config: Config) {
    run::violates(
        &Protocol::new(config.broken(mutant)),
        property,
        &format!("{mutant:?}"),
    );
}

#[test]
fn owner_id_reused() {
    caught(OwnerReused, EXCLUSION, Config { tokens: 3, ..AGAIN });
}

#[test]
fn oks_of_two_rounds_added() {
    caught(RoundsAddedUp, ORDER, THREE_CLIENTS_RETRY);
}

#[test]
fn quorum_of_two_in_four() {
    caught(HalfIsQuorum, EXCLUSION, FOUR_NODES);
}

#[test]
fn release_that_only_deletes() {
    caught(NoTombstone, ORPHANS, RETRY);
}

#[test]
fn release_that_deletes_the_key_of_any_owner() {
    caught(ReleaseAnyOwner, EXCLUSION, THREE_CLIENTS);
}

#[test]
fn release_only_to_nodes_that_granted() {
    caught(ReleaseOnlyGranted, ORPHANS, RETRY);
}

#[test]
fn last_refusal_taken_as_definite() {
    caught(LastRefusalIsDefinite, ORPHANS, RETRY);
}

#[test]
fn release_given_up_when_the_ttl_is_over() {
    caught(ReleaseGivenUp, ORPHANS, LATE);
    caught(ReleaseGivenUp, ORPHANS, LATE_COOL_DOWN);
}

#[test]
fn release_answered_by_an_error_not_sent_again() {
    caught(ErrorIsDelivery, ORPHANS, LATE);
    caught(ErrorIsDelivery, ORPHANS, LATE_COOL_DOWN);
}

#[test]
fn fence_never_compared() {
    caught(NoStale, ORDER, FIVE_NODES_RETRY);
}

#[test]
fn extension_sets_any_key() {
    caught(ResetAlways, EXCLUSION, EXTEND);
}

#[test]
fn extension_sets_missing_key() {
    caught(ResetMissing, ORPHANS, EXTEND);
}

#[test]
fn extension_lowers_the_ttl() {
    caught(ExtendLowers, EXCLUSION, EXTEND);
}

#[test]
fn no_drift() {
    caught(NoDrift, EXCLUSION, RETRY);
}

#[test]
fn validity_counted_from_the_last_reply() {
    caught(CountedFromReply, EXCLUSION, RETRY);
}

#[test]
fn cool_down_that_overwrites_the_key_of_any_owner() {
    caught(
        CoolDownAnyOwner,
        EXCLUSION,
        Config {
            extend: &[],
            extensions: 0,
            ..COOL_DOWN
        },
    );
}

#[test]
fn cool_down_without_tombstone() {
    caught(CoolDownKeepsFence, ORPHANS, COOL_DOWN);
}

#[test]
fn no_guard() {
    caught(NoGuard, EXCLUSION, RESTART_STRICT);
}

#[test]
fn guard_one_tick_short() {
    caught(GuardShort, EXCLUSION, RESTART_STRICT);
    caught(GuardShort, EXCLUSION, RESTART_OBSERVED);
    caught(GuardShort, GUARD, RESTART_STRICT);
    caught(GuardShort, GUARD, RESTART_FIVE);
    caught(GuardShort, ORDER, RESTART_TOKENS);
}

#[test]
fn quarantined_votes_counted() {
    caught(QuarantinedVotes, EXCLUSION, RESTART_RESTORED);
}

#[test]
fn quarantined_cool_downs_counted() {
    caught(QuarantinedCoolDowns, EXCLUSION, RESTART_COOL_DOWN);
}

#[test]
fn marker_without_the_run_id() {
    caught(MarkerWithoutRunId, EXCLUSION, RESTART_SNAPSHOT);
}

#[test]
fn only_a_new_run_id_counts_as_data_loss() {
    caught(RunIdOnly, EXCLUSION, EMPTIED_OBSERVED);
    caught(RunIdOnly, GUARD, EMPTIED_STRICT);
}

#[test]
fn stale_compared_with_the_end() {
    caught(StaleComparesEnd, ORDER, BLOCKS);
}

#[test]
fn start_of_the_block_stored() {
    caught(StoresStart, ORDER, BLOCKS);
}

#[test]
fn tombstone_at_the_start_of_the_block() {
    caught(TombstoneStart, ORPHANS, BLOCKS);
}

#[test]
fn a_full_node_that_votes_without_raising_the_fence() {
    caught(FullVotes, ORDER, BLOCKS_FULL);
}

#[test]
fn block_used_before_it_is_confirmed() {
    caught(BlockUnconfirmed, ORDER, BLOCKS);
}

#[test]
fn extension_that_restores_up_to_what_it_asks_for() {
    caught(RestoresAsked, ONCE, DELETED_BLOCKS);
}

#[test]
fn newcomer_that_ignores_uptimes() {
    let model = Observed {
        newcomer: Newcomer::Trusts,
        restarts: 1,
        ..NEWCOMERS
    };
    run::violates(
        &model,
        observed::EXCLUSION,
        "a new client that ignores uptimes",
    );
}

#[test]
fn newcomer_with_a_short_guard() {
    let model = Observed {
        guard_time: NEWCOMERS.guard_time - 1,
        ..NEWCOMERS
    };
    run::violates(&model, observed::EXCLUSION, "guard one tick short");
}

#[test]
fn newcomer_that_forgets_the_oldest() {
    let model = Observed {
        newcomer: Newcomer::ComparesPresent,
        restarts: 3,
        ..NEWCOMERS_PARTIAL
    };
    run::violates(
        &model,
        observed::EXCLUSION,
        "the oldest start not remembered",
    );
}

#[test]
fn lists_that_nodes_do_not_know() {
    let model = Lists {
        rule: Rule::None,
        ..ONE_EXCHANGED
    };
    run::violates(&model, lists::EXCLUSION, "nodes that do not check lists");
}

#[test]
fn list_that_counts_for_ever() {
    let model = Lists {
        rule: Rule::CountsForEver,
        ..ONE_EXCHANGED
    };
    run::violates(
        &model,
        lists::EXCLUSION,
        "a list that counts for ever once it was accepted",
    );
}

#[test]
fn list_that_is_forgotten_before_its_locks() {
    let model = Lists {
        ttl: 2,
        lifetime: ONE_EXCHANGED.counted,
        ..ONE_EXCHANGED
    };
    run::violates(
        &model,
        lists::EXCLUSION,
        "a list that nodes forget while its locks are held",
    );
}

fn move_caught(model: Moved, why: &str) {
    run::violates(&model, moved::EXCLUSION, why);
}

#[test]
fn f35_a_slot_that_goes_to_a_server_known_before() {
    let model = Moved {
        rule: MoveRule::NewServers,
        ..SLOT_MOVES
    };
    move_caught(
        model,
        "votes are refused only for servers that are new to the client",
    );
}

#[test]
fn f35_a_slot_that_returned_unnoticed_without_its_keys() {
    let model = Moved {
        absence: 2,
        ..SLOT_MOVES
    };
    move_caught(model, "an absence in which the slot may move and return");
}

#[test]
fn f35_a_newcomer_that_ignores_the_record() {
    let model = Moved {
        first_sight: FirstSight::Trusts,
        ..SLOT_MOVES
    };
    move_caught(model, "a first map that is not compared with the record");
}

#[test]
fn f35_a_record_without_the_epoch() {
    let model = Moved {
        first_sight: FirstSight::Record { epoch: false },
        ..SLOT_MOVES
    };
    move_caught(model, "a record that names the server only");
}

#[test]
fn f37_a_marker_without_the_epoch() {
    let model = Moved {
        rule: MoveRule::MarkedProcess,
        ..MASTER_REPLACED
    };
    move_caught(model, "a marker that names the process only");
}

#[test]
fn f37_a_confirmation_that_never_expires() {
    for model in [SLOT_MOVES, MASTER_REPLACED] {
        let model = Moved {
            confirmed: None,
            ..model
        };
        move_caught(model, "votes that count however old the map is");
    }
}

#[test]
fn f37_a_guard_time_that_covers_the_lease_only() {
    for model in [SLOT_MOVES, MASTER_REPLACED] {
        let model = Moved {
            guard_time: model.ttl,
            ..model
        };
        move_caught(model, "guard one tick short");
    }
}

#[test]
fn a_marker_without_the_promotion() {
    let model = Promoted {
        names: Names::Process,
        ..PROMOTED
    };
    run::violates(
        &model,
        promoted::EXCLUSION,
        "a marker that names the process only",
    );
}

#[test]
fn a_promotion_with_a_guard_time_shorter_than_the_lease() {
    let model = Promoted {
        guard_time: PROMOTED.ttl - 1,
        ..PROMOTED
    };
    run::violates(&model, promoted::EXCLUSION, "guard one tick short");
}

fn permit_caught(rule: permits::Rule, property: &'static str, model: Permits) {
    let why = format!("{rule:?}");
    run::violates(&Permits { rule, ..model }, property, &why);
}

#[test]
fn permits_counted_by_each_node() {
    permit_caught(permits::Rule::CountedByNode, permits::AT_MOST, PERMITS);
}

#[test]
fn votes_for_different_permits_added() {
    permit_caught(permits::Rule::VotesAdded, permits::AT_MOST, PERMITS_AGAIN);
}

#[test]
fn permit_released_whoever_holds_it() {
    permit_caught(permits::Rule::ReleaseAnyOwner, permits::AT_MOST, ONE_PERMIT);
}

#[test]
fn permit_released_without_a_tombstone() {
    permit_caught(permits::Rule::NoTombstone, permits::ORPHANS, PERMITS);
}

#[test]
fn permit_taken_with_an_old_token() {
    permit_caught(permits::Rule::NoStale, permits::ORDER, ONE_PERMIT);
}

fn ticket_caught(rule: ticket::Rule, property: &'static str, model: Tickets) {
    let why = format!("{rule:?}");
    run::violates(&Tickets { rule, ..model }, property, &why);
}

#[test]
fn ticket_adopted_after_the_lock_was_released() {
    ticket_caught(ticket::Rule::AnyMissing, ticket::ONE_ADOPTION, TWO_ADOPTERS);
}

#[test]
fn ticket_adopted_whoever_holds_the_key() {
    ticket_caught(ticket::Rule::AnyOwner, ticket::ONE_ADOPTION, TWO_ADOPTERS);
}

#[test]
fn ticket_adopted_with_an_old_token() {
    ticket_caught(ticket::Rule::NoStale, ticket::ADOPTABLE, TWO_ADOPTERS);
}

#[test]
fn ticket_whose_lock_is_deleted_by_a_failed_adoption() {
    ticket_caught(
        ticket::Rule::GiveBackDeletes,
        ticket::ADOPTABLE,
        TWO_ADOPTERS,
    );
    let model = Tickets {
        tokens: 4,
        ..ADOPTER_AND_STRANGER
    };
    ticket_caught(ticket::Rule::GiveBackDeletes, ticket::EXCLUSION, model);
}

#[test]
fn ticket_given_back_whoever_holds_the_key() {
    ticket_caught(ticket::Rule::GiveBackAnyOwner, ticket::HELD, TWO_ADOPTERS);
}

#[test]
fn ticket_given_back_without_a_tombstone() {
    ticket_caught(ticket::Rule::NoTombstone, ticket::ADOPTABLE, TWO_ADOPTERS);
}

#[test]
fn ticket_left_where_its_adoption_did_not_arrive() {
    ticket_caught(ticket::Rule::NotCleared, ticket::TIDY, ADOPTER_AND_STRANGER);
}

#[test]
fn ticket_released_before_its_adoption_has_a_majority() {
    ticket_caught(
        ticket::Rule::ClearedEarly,
        ticket::EXCLUSION,
        ADOPTER_AND_STRANGER,
    );
}

#[test]
fn ticket_adopted_by_votes_of_two_rounds() {
    ticket_caught(ticket::Rule::RoundsAdded, ticket::ORDER, ADOPTER_IN_ROUNDS);
}

#[test]
fn ticket_whose_sender_extends() {
    ticket_caught(ticket::Rule::SenderExtends, ticket::HELD, LATE_EXTENSION);
}

fn side_caught(rule: rwlock::Rule, property: &'static str, model: Sides) {
    let why = format!("{rule:?}");
    run::violates(&Sides { rule, ..model }, property, &why);
}

#[test]
fn reader_beside_a_writer() {
    side_caught(
        rwlock::Rule::ReadBesideWriter,
        rwlock::EXCLUSION,
        WRITER_AND_READERS,
    );
}

#[test]
fn writer_beside_readers() {
    side_caught(
        rwlock::Rule::WriteBesideReaders,
        rwlock::EXCLUSION,
        WRITER_AND_READERS,
    );
}

#[test]
fn writer_beside_a_writer() {
    side_caught(
        rwlock::Rule::WriteBesideWriter,
        rwlock::EXCLUSION,
        WRITERS_AND_READER,
    );
}

#[test]
fn reader_with_an_old_token() {
    side_caught(
        rwlock::Rule::ReadNotStale,
        rwlock::ORDER,
        WRITER_AND_READERS,
    );
}

#[test]
fn writer_with_an_old_token() {
    side_caught(
        rwlock::Rule::WriteNotStale,
        rwlock::ORDER,
        WRITER_AND_READERS,
    );
}

#[test]
fn reader_that_raises_no_bar() {
    side_caught(
        rwlock::Rule::ReadRaisesNoBar,
        rwlock::ORDER,
        WRITER_AND_READERS,
    );
}

#[test]
fn writer_that_does_not_bar_readers() {
    side_caught(
        rwlock::Rule::WriteRaisesOwnBarOnly,
        rwlock::ORDER,
        WRITER_AND_READERS,
    );
}

#[test]
fn reader_released_without_a_tombstone() {
    side_caught(
        rwlock::Rule::NoTombstone,
        rwlock::NOTHING_LEFT,
        WRITER_AND_READERS,
    );
}

#[test]
fn side_restored_over_a_bar() {
    side_caught(
        rwlock::Rule::RestoredOverBar,
        rwlock::NOTHING_LEFT,
        SIDES_IN_ROUNDS,
    );
}

#[test]
fn side_restored_beside_the_other() {
    side_caught(
        rwlock::Rule::RestoredBesideOther,
        rwlock::ON_A_NODE,
        SIDES_IN_ROUNDS,
    );
}

#[test]
fn reader_that_ignores_an_intent() {
    side_caught(
        rwlock::Rule::ReadIgnoresIntent,
        rwlock::NOT_OVERTAKEN,
        WAITING_WRITER,
    );
}

#[test]
fn intent_that_keeps_out_writers() {
    side_caught(
        rwlock::Rule::IntentBarsWriters,
        rwlock::WRITERS_PASS,
        WAITING_WRITERS,
    );
}

#[test]
fn intent_left_by_a_stale_request() {
    side_caught(
        rwlock::Rule::IntentWithoutBar,
        rwlock::NO_LATE_INTENT,
        WAITING_WRITER,
    );
}
