//! Stories over HTTP, on every store: what a storefront does, and what a receiver gets, or does not, and why.
//!
//! Each ends in what was sent and what was not. The clock is set by hand.

mod attribution;
mod browser;
mod consent;
mod damage;
mod deliveries;
mod delivery;
mod explain;
mod imports;
mod incentives;
mod journeys;
mod lateness;
mod leftovers;
mod links;
mod lost_reply;
mod neighbours;
mod payments;
mod persons;
mod platforms;
mod privacy;
mod programs;
mod reasons;
mod reminders;
mod reports;
mod writes;

/// Makes a test of each story on each store: `stories::embedded::a_paid_cart_is_never_reminded`.
macro_rules! on_every_store {
    ($($room:ident: $($story:ident),+ $(,)?;)+) => {
        mod embedded { $($( #[tokio::test(flavor = "multi_thread", worker_threads = 2)] async fn $story() {
            super::$room::$story(crate::shop::Backend::Embedded).await;
        } )+)+ }
        mod redis { $($( #[tokio::test(flavor = "multi_thread", worker_threads = 2)] async fn $story() {
            super::$room::$story(crate::shop::Backend::Redis).await;
        } )+)+ }
        mod sealed { $($( #[tokio::test(flavor = "multi_thread", worker_threads = 2)] async fn $story() {
            super::$room::$story(crate::shop::Backend::Sealed).await;
        } )+)+ }
    };
}

on_every_store! {
    links:
        the_link_in_a_reminder_leads_back_to_the_cart,
        scanners_neither_count_as_people_nor_use_a_link_up,
        a_person_who_comes_back_is_counted_once_and_gets_the_cart,
        who_followed_a_link_is_told_by_the_step_that_brought_it,
        lines_that_are_gone_are_told_apart,
        a_link_says_what_became_of_the_cart,
        a_dismissed_cart_and_an_erased_one_are_not_gone_on_with,
        a_link_ends_when_it_says,
        a_forged_link_tells_nothing,
        a_mailer_is_told_to_stop_when_the_shopper_has_bought,
        a_mailer_is_told_to_stop_when_the_shopper_is_back_or_it_is_too_late,
        an_order_by_a_link_is_a_click_and_settles_the_cart_it_came_from,
        without_a_public_address_the_link_is_the_checkout_itself,
        looking_at_the_way_out_unsubscribes_nobody,
        one_click_stops_the_reminders_at_once,
        the_way_out_works_when_the_cart_is_gone,
        a_preference_page_stops_and_allows_reminders;
    journeys:
        who_buys_on_the_phone_with_another_address_is_not_reminded_on_the_laptop,
        who_opts_out_between_two_retries_gets_no_further_attempt,
        a_refund_after_a_recovery_leaves_nothing_recovered,
        a_dst_night_in_berlin_ends_an_hour_earlier,
        a_person_held_out_on_the_laptop_is_held_out_on_the_phone,
        a_restock_after_twenty_hours_sends_what_waited_for_it,
        an_import_of_a_year_of_carts_reminds_nobody;
    incentives:
        a_step_offers_a_code_that_nobody_else_has_and_the_others_offer_none,
        every_attempt_of_a_reminder_offers_the_same_code,
        a_list_is_used_up_code_by_code_and_reminders_go_on_without,
        who_buys_anyway_or_was_only_looking_is_reminded_without_an_incentive,
        who_bought_long_ago_may_get_one_where_the_shop_says_so,
        a_person_gets_one_incentive_however_many_carts_they_leave,
        who_is_held_out_takes_no_code,
        an_amount_is_for_carts_in_its_currency,
        the_link_of_a_reminder_puts_its_code_into_the_cart_while_it_is_good;
    explain:
        the_story_of_a_reminder_is_told_in_order,
        a_cart_that_was_not_reminded_says_why,
        a_cart_that_is_not_abandoned_yet_says_what_would_come;
    reminders:
        a_stalled_cart_is_reminded_three_times_and_no_more,
        a_shopper_who_returns_is_not_reminded,
        a_new_idle_episode_is_a_new_abandonment,
        a_paid_cart_is_never_reminded,
        a_purchase_on_another_device_silences_this_cart,
        a_purchase_of_something_else_does_not,
        a_pending_payment_is_not_an_abandonment,
        a_failed_payment_opens_the_cart_again,
        a_refund_reverts_a_recovery,
        a_dismissed_cart_is_silent,
        a_deleted_cart_is_silent_and_stays_deleted,
        nobody_to_write_to_is_a_named_reason,
        a_test_cart_is_never_reminded,
        after_a_long_outage_only_the_last_due_step_is_sent,
        a_declined_card_is_the_reason,
        an_order_known_only_by_its_id_still_closes_its_cart,
        a_refund_does_not_buy_another_cart,
        a_buyer_is_known_by_what_their_carts_share,
        a_pending_payment_outlives_an_emptied_cart;
    attribution:
        an_order_after_a_reminder_is_assisted_and_its_step_is_credited,
        who_comes_back_alone_owes_nothing_to_a_reminder,
        a_purchase_without_an_abandonment_is_organic,
        a_reminder_on_one_device_assists_the_order_on_another,
        an_unpaid_order_recovers_nothing_until_it_is_paid_and_a_refund_takes_it_back;
    delivery:
        a_failed_attempt_is_repeated_with_the_same_id,
        a_retry_after_the_purchase_is_not_made,
        retry_after_only_postpones,
        an_endpoint_that_is_gone_is_paused_and_can_be_resumed,
        a_refused_delivery_goes_to_the_dead_at_once,
        retries_end_before_a_reminder_is_stale,
        every_signature_is_accepted_by_the_official_library,
        an_order_during_a_send_waits_for_its_end,
        an_order_that_waited_for_a_send_without_an_answer_says_that_it_may_arrive,
        an_order_after_a_send_without_an_answer_says_for_a_while_that_it_may_arrive,
        a_second_order_of_a_cart_waits_for_the_send_that_the_first_one_waits_for,
        the_other_endpoints_of_a_shop_hear_that_one_is_gone,
        an_endpoint_that_does_nothing_but_fail_is_disabled_and_the_others_hear_of_it,
        an_order_does_not_wait_for_news_about_a_cart;
    deliveries:
        a_dead_letter_is_listed_read_and_sent_again,
        a_buyer_is_not_reminded_by_hand,
        a_replay_sends_what_died_since,
        a_test_event_is_sent_to_a_paused_endpoint,
        the_deliveries_of_a_cart_are_listed_whatever_became_of_them;
    damage:
        a_damaged_cart_is_set_aside_and_the_others_are_looked_after,
        a_damaged_delivery_is_buried_and_the_others_are_sent,
        a_damaged_note_about_a_person_stops_that_reminder_and_no_other,
        a_damaged_order_is_refused_news_and_the_others_are_not;
    leftovers:
        carts_of_a_shop_that_is_gone_end_with_their_retention,
        a_shop_that_comes_back_finds_its_carts;
    neighbours:
        an_endpoint_that_hangs_holds_nobody_else_up;
    lateness:
        an_order_before_its_cart_closes_it,
        an_old_snapshot_after_a_new_one_changes_nothing,
        a_lower_revision_is_not_applied,
        a_dismissal_of_what_was_before_leaves_what_the_shopper_did_since_alone,
        the_same_write_twice_gets_the_first_answer,
        a_key_for_another_request_is_refused,
        a_late_snapshot_does_not_open_a_bought_cart,
        events_of_last_week_are_counted_where_they_belong;
    reasons:
        a_providers_code_gives_the_class_and_an_unknown_one_is_counted,
        suspected_fraud_is_a_declined_payment_to_everybody_outside,
        an_exit_survey_is_counted_as_shown_and_as_answered,
        a_shopper_who_answers_before_leaving_judges_what_is_inferred_later,
        words_are_counted_and_kept_only_where_the_shop_says_so,
        an_agent_that_gives_up_abandons_the_cart_with_its_reason,
        a_cancellation_succeeds_whatever_the_trace_holds,
        a_completed_checkout_cannot_be_given_up,
        the_reason_that_counts_is_counted_once_when_the_cart_ends,
        a_reason_that_shoppers_keep_denying_is_demoted;
    reports:
        the_reports_tell_a_day_of_trade,
        a_refund_and_an_erasure_leave_the_funnel_adding_up,
        a_cart_left_and_forgotten_while_nobody_looked_was_left,
        a_report_is_a_sheet_for_who_asks_for_one,
        numbers_are_for_who_has_the_key,
        a_merchant_is_told_in_the_morning_what_the_day_came_to,
        the_dashboard_is_a_page_without_data;
    writes:
        a_patch_merges_and_a_null_clears,
        a_patch_of_an_unknown_cart_is_not_found,
        a_list_pages_through_every_cart,
        a_browser_key_writes_and_reads_nothing,
        health_and_metrics_tell_the_truth,
        money_is_never_relabelled;
    browser:
        a_batch_does_what_its_calls_would,
        a_batch_sent_again_changes_nothing,
        a_browsers_wrong_clock_is_set_right,
        a_batch_is_taken_from_the_pages_of_its_key_only;
    imports:
        an_order_of_an_import_closes_the_cart_of_its_line,
        the_lines_of_an_import_do_what_their_calls_would,
        an_import_sent_again_changes_nothing,
        an_import_is_bounded_and_for_servers,
        a_year_of_imported_carts_is_counted_and_mails_nobody;
    payments:
        a_payment_tried_again_by_another_way_is_on_its_way_anew,
        a_payment_that_takes_long_is_reminded_of_once,
        unless_the_shop_asks_for_it_no_payment_is_reminded_of,
        the_reminder_of_a_payment_is_looked_at_again_before_each_attempt,
        a_payment_that_is_over_before_leaves_no_reminder,
        an_order_that_closes_several_carts_is_reminded_of_once,
        an_order_that_says_nothing_of_its_lines_takes_no_cart_from_another,
        an_order_without_its_cart_is_reminded_of_once_the_cart_is_told,
        a_shop_that_empties_the_cart_reminds_of_the_payment_all_the_same,
        a_refusal_and_an_opt_out_hold_for_the_reminder_of_a_payment,
        the_night_and_a_cap_hold_for_the_reminder_of_a_payment,
        who_is_held_out_is_not_reminded_of_a_payment,
        what_an_order_owes_is_judged_as_if_its_payment_was_never_reminded_of,
        a_payment_whose_cart_is_erased_is_not_reminded_of,
        a_login_takes_nothing_from_a_cart_that_is_ordered,
        a_reminder_of_a_payment_is_explained,
        a_failed_payment_of_a_part_of_the_cart_opens_all_of_it_again;
    platforms:
        a_shopify_checkout_is_reminded_until_its_order_comes,
        a_woocommerce_order_that_is_not_paid_is_a_cart,
        an_expired_stripe_session_is_a_cart_and_brings_nobody_back,
        a_webhook_that_nobody_signed_is_turned_away_and_counted,
        one_odd_field_does_not_lose_a_cart,
        what_cannot_be_taken_is_answered_told_and_counted;
    programs:
        a_reminder_that_comes_due_at_night_waits_for_the_shoppers_morning,
        in_the_night_when_clocks_go_back_the_morning_comes_an_hour_later,
        a_shopper_whose_zone_nobody_knows_is_where_their_country_is,
        a_retry_into_the_night_waits_for_the_morning_and_is_not_stale,
        two_carts_of_one_person_do_not_bring_two_reminders_a_day,
        two_carts_due_at_the_same_moment_bring_one_reminder,
        a_person_known_by_a_link_has_one_cap,
        a_reminder_that_reached_nobody_holds_nobody_back,
        a_step_is_for_the_carts_that_its_conditions_name,
        a_reason_has_steps_of_its_own,
        a_failed_payment_brings_a_message_at_once_also_in_the_evening,
        a_payment_refused_as_fraud_brings_nothing,
        who_was_held_back_for_too_long_is_not_reminded;
    persons:
        what_was_bought_leaves_the_other_cart_and_the_rest_is_reminded,
        what_was_bought_leaves_a_cart_whose_shopper_is_known_later,
        what_was_not_paid_in_the_end_comes_back,
        two_orders_that_cover_a_cart_together_settle_it,
        who_buys_under_another_address_is_known_by_both,
        a_login_merges_two_carts_and_loses_nothing,
        a_merge_that_cannot_be_leaves_both_carts_as_they_are,
        a_reminder_of_a_merged_cart_is_not_sent,
        what_is_sold_out_is_not_reminded_until_it_is_back,
        what_does_not_come_back_in_time_is_never_reminded;
    privacy:
        a_person_is_erased_by_any_of_their_names,
        an_export_holds_everything_and_nobody_elses,
        an_export_of_many_carts_comes_in_pages,
        an_erasure_reaches_dead_letters_and_what_waits,
        an_erasure_between_two_retries_stops_the_reminder,
        an_erasure_during_a_send_waits_for_its_end,
        an_erasure_again_finds_nothing_and_says_so,
        after_an_erasure_a_new_cart_of_the_person_lives_normally,
        an_opt_out_outlives_the_erasure_on_every_name,
        an_order_is_counted_once_and_keeps_nobody,
        a_device_of_several_people_is_nobodys,
        without_links_only_what_was_named_is_meant,
        a_guest_cart_goes_with_the_account_it_was_merged_into,
        who_may_ask_is_checked_and_no_answer_repeats_a_name;
    consent:
        without_consent_nobody_is_reminded,
        a_customer_who_was_shown_how_to_object_may_be_reminded,
        american_text_messages_are_one_a_cart_in_two_days_and_by_daylight,
        an_opt_out_stops_what_is_in_the_outbox_already,
        an_opt_out_is_of_the_person_and_holds_for_later_carts,
        an_opt_out_of_another_channel_leaves_mail_alone,
        who_is_held_out_gets_nothing_on_any_device,
        a_cart_that_passes_to_somebody_else_counts_for_both,
        an_arm_is_reminded_after_a_delay_of_its_own,
        a_person_counts_once_in_an_experiment_in_whatever_order_their_orders_arrive,
        carts_of_crawlers_staff_and_machines_are_in_no_rate;
}
