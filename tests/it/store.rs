//! The conformance suite: one list of cases, each run on every store.
//!
//! A case is a sentence that holds for any store; it gets an empty one. What needs a restart gets the [`Place`] of a
//! store instead. A new store adds a place and one line to `on_every_store!`. Never here: what only one store does; that
//! is tested beside its code.

mod answers;
mod begun;
mod claims;
mod clocks;
mod commits;
mod counts;
mod erasure;
mod lanes;
mod letters;
mod orders;
mod people;
mod records;
mod reopening;
mod settling;
mod wakes;
mod write;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use cartwake::app::random_bytes;
use cartwake::store::Store;
use cartwake::store::embedded::{EmbeddedStore, FileKeyring};
use cartwake::store::redis::{RedisSettings, RedisStore};
use cartwake::store::sealed::SealedStore;
use tempfile::TempDir;
use tokio::sync::{Mutex, MutexGuard};

use crate::memory::MemoryStore;
use crate::samples::at;
use crate::{groups, servers};

/// Where a store is, so that it can be opened again.
pub enum Place {
    Embedded(TempDir),
    Redis {
        /// Of a database of its own.
        url: String,
        authority: Option<String>,
        /// A cluster has one database only: cases take turns.
        _turn: Option<MutexGuard<'static, ()>>,
    },
    /// The model of a store, made by the first who opens it.
    Memory(OnceLock<Arc<MemoryStore>>),
    /// The same, sealed with keys in a folder.
    Sealed(OnceLock<Arc<MemoryStore>>, TempDir),
}

#[expect(clippy::unused_async, reason = "some places have to be waited for, and the macro treats all alike")]
impl Place {
    async fn embedded() -> Self {
        Self::Embedded(TempDir::new().expect("a temporary folder can be made"))
    }

    async fn redis() -> Self {
        Self::redis_at(servers::own_database())
    }

    async fn valkey() -> Self {
        Self::redis_at(groups::own_database_on_valkey())
    }

    async fn sentinel() -> Self {
        Self::redis_at(groups::own_database_behind_sentinels())
    }

    async fn tls() -> Self {
        let (url, authority) = groups::own_database_over_tls();
        Self::Redis { url, authority: Some(authority), _turn: None }
    }

    async fn cluster() -> Self {
        static TURN: Mutex<()> = Mutex::const_new(());
        let turn = TURN.lock().await;
        let cluster = groups::shared_cluster();
        cluster.empty();
        Self::Redis { url: cluster.url(), authority: None, _turn: Some(turn) }
    }

    fn redis_at(url: String) -> Self {
        Self::Redis { url, authority: None, _turn: None }
    }

    async fn memory() -> Self {
        Self::Memory(OnceLock::new())
    }

    async fn sealed() -> Self {
        Self::Sealed(OnceLock::new(), TempDir::new().expect("a temporary folder can be made"))
    }

    pub async fn open(&self) -> Arc<dyn Store> {
        self.open_with([7; 32]).await
    }

    pub async fn open_with(&self, identity_key: [u8; 32]) -> Arc<dyn Store> {
        self.open_sharded(4, identity_key).await
    }

    /// With one shard, where a store has any.
    pub async fn open_unsharded(&self) -> Arc<dyn Store> {
        self.open_sharded(1, [7; 32]).await
    }

    /// Two handles at a time, for stores that several processes may share.
    pub async fn open_twice(&self) -> Option<(Arc<dyn Store>, Arc<dyn Store>)> {
        match self {
            Self::Embedded(_) => None,
            Self::Redis { .. } | Self::Memory(_) | Self::Sealed(..) => {
                Some((self.open().await, self.open_with([8; 32]).await))
            }
        }
    }

    async fn open_sharded(&self, shards: u16, identity_key: [u8; 32]) -> Arc<dyn Store> {
        match self {
            Self::Embedded(folder) => {
                Arc::new(EmbeddedStore::open(folder.path(), identity_key, at(0)).expect("the folder is ours"))
            }
            Self::Redis { url, authority, .. } => {
                let settings = RedisSettings {
                    url: url.clone(),
                    tls_ca: authority.clone().map(String::into_bytes),
                    allow_volatile: false,
                    shards,
                    command_timeout: Duration::from_secs(10),
                    connections: 2,
                };
                Arc::new(RedisStore::open(settings, identity_key, at(0)).await.expect("the server is ours"))
            }
            Self::Memory(store) => store.get_or_init(|| Arc::new(MemoryStore::new(identity_key))).clone(),
            Self::Sealed(store, keys) => {
                let store = store.get_or_init(|| Arc::new(MemoryStore::new(identity_key))).clone();
                let keyring = FileKeyring::open(keys.path(), [5; 8]).expect("the folder is ours");
                Arc::new(SealedStore::new(store, Some(Arc::new(keyring)), random_bytes))
            }
        }
    }
}

/// Makes a test of each case on each store: `store::redis::a_commit_is_visible_to_the_next_load`.
macro_rules! on_every_store {
    ([$($store:ident),+] $cases:tt $restarts:tt) => { $(
        mod $store {
            use super::Place;
            on_every_store!(@cases $store $cases);
            on_every_store!(@restarts $store $restarts);
        }
    )+ };
    (@cases $store:ident { $($room:ident: $($case:ident),+ $(,)?;)+ }) => { $($(
        #[tokio::test]
        async fn $case() {
            let place = Place::$store().await;
            super::$room::$case(&*place.open().await).await;
        }
    )+)+ };
    (@restarts $store:ident { $($room:ident: $($case:ident),+ $(,)?;)+ }) => { $($(
        #[tokio::test]
        async fn $case() {
            super::$room::$case(&Place::$store().await).await;
        }
    )+)+ };
}

on_every_store! {
    [embedded, memory, sealed, redis, valkey, cluster, sentinel, tls]
    {
        commits:
            a_commit_is_visible_to_the_next_load,
            a_cart_that_was_never_written_is_absent,
            every_commit_raises_the_version_by_one,
            a_commit_over_another_version_is_a_conflict,
            a_conflict_writes_nothing_at_all,
            a_commit_makes_all_of_its_parts_true,
            of_many_commits_at_once_exactly_one_wins,
            many_carts_written_at_once_are_all_there,
            removing_a_cart_removes_its_wake,
            a_removal_over_another_version_is_a_conflict,
            a_removed_cart_may_be_written_anew,
            carts_of_one_id_in_two_shops_are_two_carts,
            several_are_written_at_once_and_each_has_its_own_answer,
            several_that_are_repeated_get_their_first_answers,
            what_several_decide_again_stays_as_it_is;
        answers:
            a_repeat_gets_the_first_answer_and_writes_nothing,
            each_key_has_its_own_answer_and_fingerprint,
            a_key_of_one_cart_says_nothing_about_another,
            an_answer_outlives_its_cart,
            an_answer_is_gone_when_its_time_is_over,
            a_sweep_leaves_answers_whose_time_is_not_over;
        wakes:
            the_wake_follows_the_cart_through_every_state,
            a_wake_may_move_earlier_and_later,
            only_what_is_due_wakes,
            looking_at_due_carts_changes_nothing,
            due_carts_are_limited,
            the_next_wake_is_the_earliest_of_all,
            a_wake_keeps_its_millisecond,
            a_cart_that_never_stalls_wakes_at_its_expiry,
            a_postponed_wake_comes_later_until_the_next_write,
            a_wake_that_has_not_come_is_not_postponed,
            a_removed_cart_cannot_be_postponed_back_to_life,
            a_backlog_of_one_shop_is_in_no_others_way,
            more_shops_than_places_take_turns,
            a_shop_whose_carts_are_gone_is_due_no_more;
        claims:
            only_what_is_due_is_claimed,
            claims_are_limited,
            a_claimed_delivery_is_nobody_elses_until_the_lease_ends,
            workers_that_claim_at_once_share_without_overlap,
            begin_gives_the_delivery_and_the_cart_as_it_is_now,
            begin_of_a_removed_cart_has_no_cart,
            a_lost_claim_cannot_begin,
            a_claim_begins_only_once,
            a_begun_delivery_falls_due_again_when_its_worker_dies,
            a_send_is_in_flight_from_begin_to_settle,
            a_send_in_flight_ends_by_itself,
            two_sends_of_one_cart_are_in_flight_until_both_are_over,
            a_claim_that_is_given_back_before_it_begins_hides_no_earlier_send,
            a_send_is_one_of_its_own_cart_alone,
            a_send_that_nobody_answered_may_still_arrive,
            a_send_whose_worker_died_may_still_arrive,
            what_was_delivered_after_all_is_not_awaited_again,
            a_later_answer_of_another_kind_does_not_call_an_earlier_request_back,
            a_release_gives_the_delivery_back,
            lanes_do_not_touch_each_other,
            the_next_due_moment_follows_claims,
            lanes_with_something_due_are_named,
            several_begin_and_settle_at_once_and_each_has_its_own_answer;
        lanes:
            a_lane_whose_last_delivery_has_gone_is_named_no_more,
            a_lane_whose_deliveries_wait_for_later_is_not_named_before;
        clocks:
            a_clock_that_jumped_ahead_and_back_makes_nobody_unknown,
            a_clock_that_jumped_ahead_and_back_hides_no_delivery;
        begun:
            what_begins_with_its_write_is_leased_and_in_flight,
            what_began_with_its_write_falls_due_again_when_its_worker_dies,
            what_is_known_does_not_begin_again,
            a_refused_write_begins_nothing,
            some_begin_with_a_write_while_others_wait,
            news_that_is_no_reminder_begins_without_being_in_flight,
            many_begin_with_their_writes_and_each_can_be_settled;
        settling:
            a_retry_is_due_when_the_delivery_says,
            what_has_ended_leaves_the_lane_and_stays_readable,
            a_lost_lease_settles_nothing,
            a_settlement_counts_once,
            a_claim_may_be_settled_without_a_begin,
            a_settlement_leaves_the_cart_alone,
            a_known_delivery_queued_again_is_not_reset,
            a_claimed_delivery_queued_again_keeps_its_lease,
            an_ended_delivery_is_swept_when_its_time_is_over,
            the_outbox_is_counted_by_lane,
            the_oldest_due_is_the_most_overdue_of_carts_and_deliveries,
            an_unknown_delivery_is_absent,
            every_end_reads_back_as_written;
        letters:
            pages_of_a_lane_meet_each_delivery_once,
            a_delivery_is_found_wherever_it_lies,
            a_revived_delivery_is_due_again_and_among_the_dead_no_more,
            a_revived_delivery_waits_among_the_first_attempts,
            a_letter_that_changed_is_not_revived,
            a_buried_delivery_is_dead_and_can_be_revived,
            a_lost_claim_buries_nothing,
            what_was_answered_is_kept_of_the_last_attempts;
        people:
            nobody_is_known_for_anything,
            a_mark_is_read_under_each_identifier,
            a_later_mark_of_an_order_replaces_the_earlier,
            unnote_takes_off_one_order_only,
            late_news_does_not_undo_a_payment,
            a_mark_is_not_read_when_its_time_is_over,
            enrolling_gives_what_the_identifiers_are_known_for,
            enrolling_twice_is_enrolling_once,
            the_carts_of_several_identifiers_come_each_once,
            the_carts_of_a_person_are_at_most_two_hundred,
            an_enrolment_is_not_read_when_its_time_is_over,
            a_later_enrolment_prolongs_an_earlier,
            people_of_two_shops_are_strangers,
            a_sweep_leaves_what_is_still_known,
            every_kind_of_note_reads_back_as_written,
            the_first_arm_and_the_first_owner_of_a_code_stay,
            of_many_who_reserve_a_code_at_once_one_gets_it,
            a_grant_is_replaced_by_a_later_one_of_its_reminder_and_may_be_taken_off,
            older_news_of_stock_never_replaces_newer,
            an_opt_out_is_taken_off_by_its_channel,
            of_too_many_notes_the_one_that_ends_first_makes_room,
            of_two_who_note_and_look_at_once_one_sees_the_other;
        erasure:
            what_waits_or_is_dead_is_found_by_its_carts,
            many_deliveries_of_others_hide_none,
            an_expunged_delivery_is_nowhere,
            an_expunged_delivery_cannot_be_begun_or_settled,
            a_withdrawn_cart_stands_under_no_hash,
            what_is_forgotten_is_known_no_more_and_what_is_kept_stays,
            answers_of_others_stay_when_some_are_forgotten;
        orders:
            an_order_reads_back_as_written,
            every_status_and_kind_of_an_order_is_kept,
            an_order_over_another_version_is_a_conflict,
            a_repeated_order_gets_the_first_answer,
            of_many_writes_of_an_order_at_once_one_wins,
            an_order_never_wakes_anybody,
            an_order_and_a_cart_of_one_id_are_two_things;
        counts:
            tallies_add_up_over_carts,
            a_tally_may_go_down,
            a_range_of_days_has_both_its_ends,
            counts_that_were_read_are_read_as_they_are_now,
            a_sweep_leaves_the_counts_of_two_years,
            tallies_belong_to_their_shop,
            the_census_moves_with_the_carts,
            a_stopped_endpoint_stays_stopped_until_it_is_resumed,
            an_empty_store_is_empty_in_every_view;
        records:
            the_largest_cart_reads_back_as_written,
            the_smallest_cart_reads_back_as_written,
            every_state_reads_back_as_written,
            every_character_of_an_id_is_kept_apart,
            a_record_may_shrink_and_grow,
            begin_reads_the_largest_cart,
            a_page_through_all_carts_meets_each_once,
            a_nonsense_cursor_does_no_harm;
    }
    {
        reopening:
            everything_is_there_after_a_restart,
            what_a_dead_process_had_leased_is_due_again,
            the_identity_key_is_made_once,
            a_store_without_writes_opens_again,
            the_longest_overdue_wakes_first,
            the_longest_overdue_is_claimed_first,
            two_handles_see_one_store;
    }
}
