/* SPDX-License-Identifier: Apache-2.0 */
/**
 * The one table of seeded bugs: X(name, "the rule it breaks"). docs/consistency.md has the rules; a mutant that no checker
 * notices is a hole in the workload.
 */
#ifndef KV_BASE_MUTANT_NAMES_H
#define KV_BASE_MUTANT_NAMES_H

#define MUTANT_NAMES(X)                                                                                            \
	X(nowb, "a strong get answers the greatest record before a majority holds it")                             \
	X(noweak, "a weak copy counts as a strong one")                                                            \
	X(pushstrong, "a copy pushed below a newer promise is stored as a strong one")                             \
	X(noprom, "an accept below the promise is stored")                                                         \
	X(nover, "an accept below the stored version replaces it")                                                 \
	X(prepver, "a prepare looks at the promise only, not at the stored version")                               \
	X(super, "an accept below the stored version is acknowledged")                                             \
	X(wbsuper, "a write-back below the stored version is acknowledged")                                        \
	X(wbprom, "a write-back ignores the promise")                                                              \
	X(linack, "an accept is acknowledged because a descendant of it is here")                                  \
	X(naive, "a direct put that was partly accepted is sent again under a new version")                        \
	X(naivecas, "an update that was partly accepted starts over")                                              \
	X(nohist, "a replica does not remember the copies it overwrote")                                           \
	X(nolin, "a ballot writes no lineage")                                                                     \
	X(nocount, "an attempt found at one replica counts as effective")                                          \
	X(lincount, "an attempt and its different descendants are counted together")                               \
	X(twoout, "one replica that lacks an attempt proves it dead")                                              \
	X(deadprom, "a direct put refused because of a promise is taken for dead")                                 \
	X(casfail, "a failed condition is answered from a record that no majority holds")                          \
	X(failshort, "a failed condition is answered at once although an earlier attempt was sent")                \
	X(cas1, "an update is accepted by comparing stored versions, without a ballot, at a majority")             \
	X(cas1all, "an update is accepted by comparing stored versions, without a ballot, at all replicas")        \
	X(crashprom, "a restart forgets promises: no promise floor")                                               \
	X(crashhist, "a restart forgets overwritten copies: no memory floor")                                      \
	X(yblind, "a retry through another node does not look for its request id")                                 \
	X(ylow, "a retry through another node may use a ballot below the first one's direct put")                  \
	X(yfail, "a retry through another node answers a failed condition without recording it")                   \
	X(earlyreply, "a write is reported durable before the sync that covers it")                                \
	X(syncignored, "a sync that failed is taken for a good one")                                               \
	X(losedisk, "a node that lost its disk comes back empty under its old identity")                           \
	X(gcnoall, "a tombstone is dropped when a majority, not all, is sealed and in step")                       \
	X(gcnoseal, "nothing is sealed before tombstones are dropped")                                             \
	X(gcnosync, "tombstones are dropped before the records of all replicas are in step")                       \
	X(gcweak, "a tombstone that is weak somewhere is dropped")                                                 \
	X(gcabsent, "a replica without the key counts as a holder of any tombstone")                               \
	X(gcnovirt, "a reader does not take an absent reply for a deletion at its drop floor")                     \
	X(gctime, "a replica drops tombstones by their age, asking nobody")                                        \
	X(gclin, "a record built on a dropped one does not tell where its lineage was cut off")                    \
	X(losedisk2, "a node that lost its disk comes back under its old identity once it has copied all")         \
	X(hintcount, "a hint for a replica that cannot be reached counts as its vote for a strong write")          \
	X(nodeadline, "an operation goes on after its deadline")                                                   \
	X(noepoch, "a replica takes requests of an older epoch of the partition")                                  \
	X(nojoint, "while replicas change, one majority of old and new members together decides")                  \
	X(nofloor, "a replica that joins does not raise its promise floor")                                        \
	X(phasemix, "an operation keeps the answers it has when the replicas change")                              \
	X(pushepoch, "a strong record read in an older epoch is pushed")                                           \
	X(treehalf, "a record that is replaced stays in the hash tree beside its successor")                       \
	X(treetwice, "a record written while the hash tree is built is counted as written and as read")            \
	X(treemarked, "rows of a hash tree keep their mark when a record changes")                                 \
	X(treeunready, "a hash tree that is still being built is taken for a complete one")                        \
	X(treeahead, "a hash tree is told to others before the records it tells of are durable")                   \
	X(exchangeold, "of two versions of a key that replicas hold, an exchange spreads the older one")           \
	X(ingest, "what a move copies replaces a newer record that came meanwhile")                                \
	X(noxfer, "a partition's new member says that all is there without copying anything")                      \
	X(nosession, "what an earlier try of a move says counts for the present one")                              \
	X(earlysource, "an old member tells its fence before the map that makes it one is in force there")         \
	X(onesource, "a new member takes the copy of one old member for the whole, without a check")               \
	X(nodrop, "a node that becomes a member again keeps what it had")                                          \
	X(restdrop, "records in memory outlive the removal of their range")                                        \
	X(dropearly, "a node that left a partition removes its copy before others know and have what it had")      \
	X(norid, "a client repeats a write as a new one, without its request id")                                  \
	X(mapearly, "a node takes the next cluster map for decided when it has accepted it")                       \
	X(mapforget, "a restart forgets what the node voted for as the next cluster map")                          \
	X(mapvoters, "whoever proposes a map asks the voters it names, not those of the map before")               \
	X(mapfresh, "whoever proposes a map does not finish the one it finds accepted")                            \
	X(mapnojoint, "a map with other voters is done before they have it")

#endif
