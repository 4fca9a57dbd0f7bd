//! From a link to a consent, and every way in which it must not get there.

mod accounts;
mod callbacks;
mod confirming;
mod cut_off;
mod people;
mod second_factor;
mod the_way;
mod tokens;
mod withdrawal;
