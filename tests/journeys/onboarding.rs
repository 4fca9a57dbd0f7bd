//! From a link to a consent, and every way in which it must not get there.

mod accounts;
mod callbacks;
mod clocks;
mod confirming;
mod cut_off;
mod deciding;
mod denied;
mod inviting;
mod inviting_ends;
mod inviting_erased;
mod inviting_list;
mod inviting_races;
mod people;
mod second_factor;
mod the_way;
mod tokens;
mod two_steps;
mod withdrawal;
