//! Login by password of people without a card, at the terminals of the facility that invited them.
//!
//! A facility's administrator invites somebody of whom no card tells anything ([`super::invite`]). The code of
//! the invitation, entered at a terminal of the facility, opens the account ([`joining`]): the person
//! chooses the password, which nobody else ever knows, and sets the second factor up. From then on both log
//! the person in ([`login`], [`admission`]), or the password alone at a level of its own where the operator
//! allows that. Nobody vouches for a profession ([`super::vouching::Profession::None`]).

pub mod admission;
pub mod joining;
pub mod login;
