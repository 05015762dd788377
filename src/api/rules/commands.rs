//! Names of the servers' commands, for customCommandRenames.

/// Commands that Redis 6.2 to 8 and Valkey up to 9.1 have of their own: what their `COMMAND` lists.
const OWN: &str = "
    acl append asking auth bgrewriteaof bgsave bitcount bitfield bitfield_ro bitop bitpos blmove blmpop blpop brpop
    brpoplpush bzmpop bzpopmax bzpopmin client cluster clusterscan command commandlog config copy dbsize debug decr
    decrby del delex delifeq digest discard dump echo eval eval_ro evalsha evalsha_ro exec exists expire expireat
    expiretime failover fcall fcall_ro flushall flushdb function geoadd geodist geohash geopos georadius georadius_ro
    georadiusbymember georadiusbymember_ro geosearch geosearchstore get getbit getdel getex getrange getset hdel hello
    hexists hexpire hexpireat hexpiretime hget hgetall hgetdel hgetex hincrby hincrbyfloat hkeys hlen hmget hmset
    hotkeys hpersist hpexpire hpexpireat hpexpiretime hpttl hrandfield hscan hset hsetex hsetnx hstrlen httl hvals
    incr incrby incrbyfloat info keys lastsave latency lcs lindex linsert llen lmove lmpop lolwut lpop lpos lpush
    lpushx lrange lrem lset ltrim memory mget migrate module monitor move mset msetex msetnx multi object persist
    pexpire pexpireat pexpiretime pfadd pfcount pfdebug pfmerge pfselftest ping post psetex psubscribe psync pttl
    publish pubsub punsubscribe quit randomkey readonly readwrite rename renamenx replconf replicaof reset restore
    restore-asking role rpop rpoplpush rpush rpushx sadd save scan scard script sdiff sdiffstore select sentinel set
    setbit setex setnx setrange sflush shutdown sinter sintercard sinterstore sismember slaveof slowlog smembers
    smismember smove sort sort_ro spop spublish srandmember srem sscan ssubscribe stralgo strlen subscribe substr
    sunion sunionstore sunsubscribe swapdb sync time touch ttl type unlink unsubscribe unwatch wait waitaof watch xack
    xackdel xadd xautoclaim xcfgset xclaim xdel xdelex xgroup xinfo xlen xpending xrange xread xreadgroup xrevrange
    xsetid xtrim zadd zcard zcount zdiff zdiffstore zincrby zinter zintercard zinterstore zlexcount zmpop zmscore
    zpopmax zpopmin zrandmember zrange zrangebylex zrangebyscore zrangestore zrank zrem zremrangebylex zremrangebyrank
    zremrangebyscore zrevrange zrevrangebylex zrevrangebyscore zrevrank zscan zscore zunion zunionstore
";

/// Commands that modules of Redis 8 bring (vector sets). They do not exist yet when a server reads its renames.
const OF_MODULES: &str = "
    vadd vcard vdim vemb vgetattr vinfo vismember vlinks vrandmember vrange vrem vsetattr vsim
";

/// Beginnings of the other commands of those modules.
const MODULE_PREFIXES: [&str; 8] = ["bf.", "cf.", "cms.", "ft.", "json.", "tdigest.", "topk.", "ts."];

/// Whether a server can rename it: no server starts whose configuration renames what it does not have.
pub(super) fn is_known(name: &str) -> bool {
    has(OWN, name)
}

/// Whether some server has a command of this name, so that nothing else can be renamed to it.
pub(super) fn is_taken(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    let of_module = MODULE_PREFIXES.iter().any(|prefix| lower.starts_with(prefix));
    is_known(name) || has(OF_MODULES, name) || of_module
}

fn has(table: &str, name: &str) -> bool {
    table.split_whitespace().any(|command| command.eq_ignore_ascii_case(name))
}
