//! Who takes part: the range, its shard, the names, the password, the place of the sessions.

use crate::error::StartError;

use super::super::value::{Rate, UserRange, shard};
use super::accounts::read_accounts;
use super::build::{Defaults, Draft};
use super::password::read_password;
use super::types::{Cache, CacheLocation, Users};
use crate::model::{Accounts, Shard};

/// Maximum number of users. A typing error must not take all memory, and no machine has ports or files
/// for more.
const MOST_USERS: u32 = 1_000_000;

impl Draft<'_> {
    pub(super) fn users(&mut self, defaults: Defaults) -> Result<Users, StartError> {
        let shard = if defaults.splits { self.shard()? } else { Shard::WHOLE };
        let (fleet_range, range) = self.ranges(shard, defaults)?;
        let template = self.layers.settings.users.username_template.clone().unwrap_or_default();
        let accounts = read_accounts(&mut self.layers, fleet_range, range)?;
        let password = read_password(&mut self.layers)?;
        let have_passwords = accounts.as_ref().is_some_and(Accounts::has_passwords);
        if shard.is_partial() && password.is_none() && !have_passwords {
            let why = "a fleet needs a set password: generators on different machines cannot share a generated one";
            return Err(self
                .layers
                .conflict(&[self.shard_key()], why)
                .remedy("give all of them the same --password-file, or the variable SOAKRIG_PASSWORD"));
        }
        let cache = self.cache(defaults)?;
        let sign_in_rate = self.layers.settings.users.sign_in_rate.unwrap_or(Rate::TWENTY_A_SECOND).part(shard);
        Ok(Users { range, fleet_range, template, accounts, shard, password, cache, sign_in_rate })
    }

    fn shard(&self) -> Result<Shard, StartError> {
        let typed = &self.layers.settings.shards;
        let Some(count) = typed.shards else { return Ok(typed.shard.unwrap_or(Shard::WHOLE)) };
        if let Some(shard) = typed.shard {
            if shard.count == count.0 {
                return Ok(shard);
            }
            let why = format!("{shard} is not one of {} shards", count.0);
            return Err(self.layers.conflict(&["shard", "shards"], why).remedy("give --shard I/N alone"));
        }
        let index = self.environment.get("JOB_COMPLETION_INDEX").ok_or_else(|| {
            self.layers
                .conflict(&["shards"], "needs the variable JOB_COMPLETION_INDEX, which is not set")
                .remedy("outside of an indexed Kubernetes job give --shard I/N")
        })?;
        let wrong = |why: String| StartError::environment("JOB_COMPLETION_INDEX", why);
        let index = index
            .to_str()
            .and_then(|text| text.parse().ok())
            .ok_or_else(|| wrong("not a whole number from 0".to_owned()))?;
        shard(index, count.0).map_err(|e| wrong(format!("{index} with --shards {}: {e}", count.0)))
    }

    /// The option that sets the shard.
    pub(super) fn shard_key(&self) -> &'static str {
        if self.layers.origin("shards").is_some() { "shards" } else { "shard" }
    }

    /// The range of the fleet and of this shard.
    fn ranges(&self, shard: Shard, defaults: Defaults) -> Result<(UserRange, UserRange), StartError> {
        let users = &self.layers.settings.users;
        let min = users.user_range_min.map_or(0, |n| n.0);
        let max = users.user_range_max.map_or(defaults.users, |n| n.0);
        let keys = ["user_range_min", "user_range_max"];
        let fleet = UserRange::new(min, max).ok_or_else(|| {
            self.layers
                .conflict(&keys, format!("the range {min}..{max} holds no user: the minimum must be below the maximum"))
                .remedy("users are numbered min ≤ i < max")
        })?;
        let own = fleet.part(shard).ok_or_else(|| {
            let why = format!("shard {shard} of the range {fleet} holds no user");
            let keys = [self.shard_key(), keys[0], keys[1]];
            self.layers.conflict(&keys, why).remedy("give at most as many shards as users")
        })?;
        if own.len() > MOST_USERS {
            let why = format!("{} users are more than the {MOST_USERS} of one generator", own.len());
            return Err(self.layers.conflict(&keys, why).remedy("split the range over more shards"));
        }
        Ok((fleet, own))
    }

    fn cache(&self, defaults: Defaults) -> Result<Cache, StartError> {
        let users = &self.layers.settings.users;
        let read_only = users.read_only_cache.is_some_and(|switch| switch.0);
        let place = match &users.cache_file {
            Some(file) => CacheLocation::File(file.clone()),
            None if !defaults.keeps_sessions => CacheLocation::Nowhere,
            None => CacheLocation::Directory(self.environment.state_directory().ok_or_else(|| {
                StartError::environment("--cache-file", "there is no home directory to keep sessions in")
                    .remedy("give --cache-file FILE, or set HOME or XDG_STATE_HOME to an absolute path")
            })?),
        };
        Ok(Cache { place, read_only })
    }
}
