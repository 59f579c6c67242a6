#include "telemetry/catalog.hpp"

#include <algorithm>
#include <iterator>

namespace memoir::telemetry {
namespace {

constexpr CatalogEntry entries[] = {
    // clang-format off
    {"memoir.admin.bulk_retry", "febced8883e0441983fde7ba9e929df3", Level::info, true,
     "An operator returned failed jobs to the queue.",
     "Nothing."},
    {"memoir.admin.delete_failed", "c180de8b0a9347a9adeae22239de0481", Level::info, true,
     "An operator deleted a failed job.",
     "Nothing."},
    {"memoir.admin.reconciled", "ec5dd4996bc74b6cbb93f06f3409263f", Level::info, true,
     "An operator enqueued jobs for memories without a vector, or removed vectors without a memory.",
     "Nothing."},
    {"memoir.admin.remembered", "87f86cf61db847f199c654e57617ec12", Level::info, true,
     "An operator stored memories and enqueued their jobs.",
     "Nothing."},
    {"memoir.admin.retry_succeeded", "9099dd7cfbce42a0913d0fef726c9581", Level::info, true,
     "An operator returned a failed job to the queue.",
     "Nothing."},
    {"memoir.backend.learned", "3f4a7c0e9b1d4e58a6c2d7f01b8e9354", Level::info, false,
     "A backend does not take something that memoird sends, and is asked without it from now on: a parameter, a schema, or so many texts or points at a time.",
     "Nothing."},
    {"memoir.breaker.closed", "bb64810973ae46b2b081a60c24f34394", Level::info, true,
     "A backend is available again; its kinds are claimed again, at a growing rate.",
     "Nothing."},
    {"memoir.breaker.opened", "9d19f30894ea4765ac1f2456fd3c09d2", Level::warning, true,
     "A backend is unavailable, throttles, or rejects the configuration. Kinds that need it are not claimed until it is available again; no attempt is counted.",
     "Follow the HINT if there is one; otherwise check the backend."},
    {"memoir.categorize.done", "156d0f7a50554085964f9005ac8e64cd", Level::info, false,
     "A memory was categorized.",
     "Nothing."},
    {"memoir.categorize.skipped", "034e3229c4524de49dfdd4a9066464f1", Level::info, false,
     "A memory was not categorized; the field reason tells why.",
     "Nothing."},
    {"memoir.categorize.source_missing", "7651a24f07ea46b9a5e25faace21f557", Level::info, false,
     "The memory to categorize no longer exists; the job ended.",
     "Nothing."},
    {"memoir.config.rejected", "45a49d5ce1664946a74489f259d9cabe", Level::error, true,
     "The configuration was reread after SIGHUP but has errors, or something that it names cannot work. Nothing was changed.",
     "Follow the HINT; `memoird --check-config` shows every problem of the file."},
    {"memoir.config.reloaded", "230b6776ddd646cf9d3f8d5853ac2da4", Level::info, true,
     "The configuration was reread after SIGHUP and applied. Running jobs keep the settings that they began with. Keys that need a restart are listed in MEMOIR_RESTART_NEEDED.",
     "Restart memoird if any key is listed."},
    {"memoir.database.down", "e79ee4c4a0ec4670b8e1468bc1d10295", Level::warning, true,
     "The database is unreachable or rejects the connection. Jobs wait until it is available; no attempt is counted.",
     "Check the database, the network, and database.url; `memoirctl doctor` shows which of them is at fault."},
    {"memoir.database.up", "becdfeca7e964e16851e509537a1d675", Level::info, true,
     "The database is available again; work continues.",
     "Nothing."},
    {"memoir.duty.failed", "4bd140c72d4f4d6dbba789d78017a560", Level::warning, true,
     "Something that one process does for all (MEMOIR_OPERATION names it) failed. It rests and is tried again, here or by another process; no job is touched by it.",
     "If it lasts, check the database and the grants."},
    {"memoir.embed.embed_failed", "11a9a1674bb6483194e7daa87a6b1038", Level::warning, true,
     "The embedding model failed for this job.",
     "See MEMOIR_ERROR; if the text is not the cause, check [embedding]."},
    {"memoir.embed.index_status_failed", "1acbeb840ebb41fe92d449795a1dffca", Level::warning, true,
     "The database refused to write qdrant_status to this memory. The job is retried, or fails.",
     "See MEMOIR_ERROR for the SQLSTATE; check triggers and grants on memories."},
    {"memoir.embed.source_missing", "a359cc3672b84d9787608707a84bbec6", Level::info, false,
     "The memory of an embed job no longer exists; the job ended and its vector was removed.",
     "Nothing."},
    {"memoir.embed.success", "6d300b17c3344887a576062a25e6941e", Level::debug, false,
     "Memories were embedded and their vectors are in the index.",
     "Nothing."},
    {"memoir.embed.upsert_failed", "ea8a44d8adf34de88961edbd590b852a", Level::warning, true,
     "Vectors could not be written to the index. The jobs wait, are retried, or fail, depending on the failure.",
     "See MEMOIR_ERROR; check the backend in [vector]."},
    {"memoir.extraction.llm_failed", "92de05dd2b974edebbcc0ed5fc6e7205", Level::warning, true,
     "The language model failed or refused.",
     "See MEMOIR_ERROR; check [extraction]."},
    {"memoir.extraction.parse_failed", "99968fd7ea4549da90389e3eca37bbaf", Level::warning, true,
     "The language model's reply was not a list of facts, or was cut off.",
     "If rare: nothing, the job is retried. If frequent: use a larger model or raise max_output_tokens."},
    {"memoir.extraction.parsed", "fb373165a0764d7b831e7c2222244c1b", Level::info, false,
     "The language model's reply was parsed and kept.",
     "Nothing."},
    {"memoir.extraction.persisted", "be44c8990b4747d7bd0570bd6b5a7dd1", Level::info, false,
     "The extracted facts were stored and their jobs enqueued.",
     "Nothing."},
    {"memoir.extraction.skipped", "2b38f4b1000f4b0db9b2a6fa85dc2fd4", Level::info, false,
     "Nothing was extracted from this memory; the field reason tells why.",
     "Nothing."},
    {"memoir.extraction.source_missing", "8474e35b7ec14ccfb3800d88771dd4a2", Level::info, false,
     "The memory to extract from no longer exists; the job ended.",
     "Nothing."},
    {"memoir.extraction.started", "6b5f660d75574568b2e22bf5f80f1b36", Level::debug, false,
     "The extraction of facts from a memory began.",
     "Nothing."},
    {"memoir.fan_in.repaired", "3d847ea5fc494a6bacb9feeb2c47ac78", Level::info, false,
     "Staged relations had no job that would commit them to the graph; one was enqueued.",
     "Nothing. The library's worker loses such jobs when two siblings end at the same time."},
    {"memoir.fleet.paused", "82193248ee084f21b97cc12e81496be2", Level::warning, true,
     "Claiming is paused for the whole fleet, for one kind or all.",
     "`memoirctl resume` ends the pause."},
    {"memoir.fleet.probe_requested", "5d1f0a9e3c7b4e628a40b6d2f1c98e37", Level::info, true,
     "An operator asked with memoirctl backends probe that backends that are held back are asked again at once.",
     "Nothing."},
    {"memoir.fleet.resumed", "d0bd112f3e6249079b1931ef65f61aa7", Level::info, true,
     "A pause of the fleet has ended.",
     "Nothing."},
    {"memoir.graph.not_ready", "425d9a794b264d3f9413495faee71add", Level::warning, true,
     "The indexes of the graph could not be created at start-up: its server is unavailable, or rejects them.",
     "Follow the HINT if there is one; otherwise check the graph's server."},
    {"memoir.llm.call", "047d17f133db4913b42a8de190a6e27c", Level::info, false,
     "A language model was called; the fields hold tokens, duration, HTTP status and outcome. Probes, and requests that are repeated in another form for this server, are logged at level debug.",
     "Nothing."},
    {"memoir.llm.configured", "df5091f8fe41469fb0cd57604c22a669", Level::info, true,
     "A language model is configured; the fields name its provider, model and use.",
     "Nothing."},
    {"memoir.log.dropped", "742185243ac841de93862548c31f49a7", Level::warning, true,
     "Events were dropped because the log's receiver could not keep up. MEMOIR_COUNT is their number. Jobs were not delayed.",
     "Check journald (or the reader of standard error); log less with log.level."},
    {"memoir.nli.loaded", "bd573eab0330443ba0d513bacff7d875", Level::info, true,
     "The classifier's model was loaded.",
     "Nothing."},
    {"memoir.relational.skipped", "4290748fcb3f46298058cd2de24c3b77", Level::info, false,
     "No relations were extracted from this memory; the field reason tells why.",
     "Nothing."},
    {"memoir.relational.source_missing", "814cfeb4cf434e129793f78943ef07da", Level::info, false,
     "The memory to extract relations from no longer exists; the job ended.",
     "Nothing."},
    {"memoir.relational.staged", "6bee0089ede14558a2154074a40a8535", Level::info, false,
     "Relations were extracted from a memory and staged for the graph.",
     "Nothing."},
    {"memoir.reprocess.done", "8f474d0b02de4591a9c4714ec2a33167", Level::info, false,
     "A correction was completed.",
     "Nothing."},
    {"memoir.reprocess.feedback_stored", "e83b5a17c2d94f60a1f7408e9bd3526c", Level::info, false,
     "What a person said in a correction became a memory, although the correction itself still waits for a model.",
     "Nothing."},
    {"memoir.reprocess.neighborhood", "8d400754a220431cb6bab175efbbcb59", Level::info, false,
     "The memories that a correction affects were selected.",
     "Nothing."},
    {"memoir.reprocess.retire_failed", "56c45f2d261d4fc78b1130d18a0bc977", Level::warning, true,
     "The facts of a memory that a correction affects could not be replaced. The job is retried, except for a "
     "neighbour that the model always rejects, which is left unchanged.",
     "If it lasts, check the database and the vector index."},
    {"memoir.reprocess.source_missing", "d7cbedbc5aa84a27b42d17f4f6be70a0", Level::info, false,
     "The memory that the feedback is about no longer exists; the job ended.",
     "Nothing."},
    {"memoir.reprocess.started", "f04bf573ac244a20a5895b76ad48843c", Level::debug, false,
     "A correction began: memories are extracted again in the light of feedback.",
     "Nothing."},
    {"memoir.retire.index_delete_failed", "f6aa9de147374db38193ed1ff5c3c5de", Level::warning, true,
     "A retired memory's vector could not be removed. The removal is retried.",
     "If it lasts, check the backend that [vector] names."},
    {"memoir.retire.success", "97355a2c2f4742eb8ee87b21cd64c6dd", Level::info, false,
     "A memory was retired and its vector removed.",
     "Nothing."},
    {"memoir.schema.advice", "087ccdec70034a1d9c1cca4863facc49", Level::info, true,
     "memoird works with the schema as it is, but would benefit from the addition that the message names.",
     "`memoirctl schema apply`."},
    {"memoir.schema.applied", "f2e510d1ba80469f88e61735c692598a", Level::info, true,
     "An operator created missing parts of the schema.",
     "Nothing."},
    {"memoir.schema.removed", "541b2f5655504241b608fed2e8411bd3", Level::warning, true,
     "An operator removed memoird's additions to the schema. memoird works without them, but more slowly.",
     "`memoirctl schema apply` creates them again."},
    {"memoir.synthesize.committed", "03448f0b286641bcad54f73f94135135", Level::info, false,
     "The staged relations of a memory were committed to the graph.",
     "Nothing."},
    {"memoir.synthesize.forget_failed", "07806c0ec1944682a904bb439db63052", Level::warning, true,
     "A memory was forgotten while its relations were being committed to the graph, and its pid could not be removed again.",
     "Readers are not affected: they do not find a deleted memory by its pid. To remove the pid, clear and rebuild the scope's graph."},
    {"memoir.synthesize.no_graph", "98f20d18b83c4365967b0141fa7cbdf4", Level::debug, false,
     "No graph is configured on this host; the job was completed as a no-op.",
     "If there is a graph elsewhere, set worker.graph_absent = \"leave\"."},
    {"memoir.synthesize.no_staged_triples", "5c506d68a43f48cd89f55bb48530bdaa", Level::info, false,
     "There was nothing to commit to the graph.",
     "Nothing."},
    {"memoir.synthesize.source_missing", "8dda7612627b426c8a16702a74b82941", Level::info, false,
     "The memory behind staged relations no longer exists; the job ended.",
     "Nothing."},
    {"memoir.vector.collection_created", "92b1b0b0536a42179eeca17da0dfbd99", Level::info, true,
     "The vector index had no collection of the configured name, so it was created. At level warning: the collection existed before, and its vectors are lost.",
     "At level warning: `memoirctl reconcile` enqueues jobs for memories that have lost their vector."},
    {"memoir.vector.index_created", "beaa227fd2a44cada12bade671bda1b7", Level::info, false,
     "An index over a payload field was created in the vector index's collection.",
     "Nothing."},
    {"memoir.vector.not_ready", "031baa9b3e264f2cb55e0ee2471ceb45", Level::warning, true,
     "The vector index was not ready at the start: it is unavailable, or refuses. Jobs that need it wait.",
     "Follow the HINT if there is one; otherwise check the backend in [vector]."},
    {"memoir.worker.aborted", "a24fbd45fd6b4e1a9bc91cd5a2bfd751", Level::warning, true,
     "memoird, or one batch of jobs, ended unexpectedly, or a second signal ended the drain at once. The message says which. Jobs that were running are released or retried.",
     "After a second signal: nothing. Otherwise report MEMOIR_ERROR, or follow the HINT if there is one."},
    {"memoir.worker.advice", "a39fa31e96094df48de55bab6170aa66", Level::warning, true,
     "The configuration works, but probably not as intended; see the message and the HINT.",
     "Follow the HINT."},
    {"memoir.worker.brake", "7b0c5e1fd4a94c0f8f3d0a6be1c2f9d4", Level::warning, true,
     "Several jobs of a kind failed for the same cause within a minute, and no backend is known to be at fault. The others wait without an attempt, so that a fault that hits every job does not end the whole queue.",
     "`memoirctl jobs list --by-cause` shows the cause; mend it, then `memoirctl jobs retry --cause CAUSE`."},
    {"memoir.worker.claim_failed", "b3e3acdbf0c344e0b3a1f21145f2d9b7", Level::warning, true,
     "Jobs could not be claimed. The loop tries again; no job is affected.",
     "If it lasts, check the database and the grants: `memoirctl doctor`."},
    {"memoir.worker.complete_failed", "cb3f1f769577461a946003446aeeff04", Level::warning, true,
     "A job's effects could not be committed. Its claim stands; the commit is retried, or the job is.",
     "If it lasts, check the database; MEMOIR_ERROR names the SQLSTATE and the constraint."},
    {"memoir.worker.exited", "939ce52bab444554a822f81fe7d4f697", Level::info, true,
     "The process ends. MEMOIR_EXIT_CODE is its exit code.",
     "If the code is not 0, see the entries before this one."},
    {"memoir.worker.fail_failed", "39bb2aeb37224b7da8e149913787579b", Level::warning, true,
     "The database refused the final change of a failed job (for embed: qdrant_status = failed). The job failed without it.",
     "See MEMOIR_ERROR for the SQLSTATE; check triggers and grants on memories."},
    {"memoir.worker.job_failed", "aa3541a7476048b5bf1d0b2e7ac3e833", Level::warning, true,
     "A job, or one attempt at it, failed; the field outcome tells which. MEMOIR_ERROR is the reason that is stored in failure_reason.",
     "See `memoirctl jobs show ID`; after fixing the cause, `memoirctl jobs retry ID`."},
    {"memoir.worker.job_parked", "9dbb533a4321497586279577c0d23356", Level::info, false,
     "A job waits until its next attempt is due, after a failed attempt or because a backend is unavailable. It stays claimed by `parked` until then.",
     "Nothing; `memoirctl jobs why ID` shows until when."},
    {"memoir.worker.job_released", "9343ea8da6b541fab98c2ae61a5b1017", Level::info, false,
     "A job was released without counting an attempt: a drain, a lost lease, or a claim that no loop held any more.",
     "Nothing."},
    {"memoir.worker.job_started", "073539e6fd72449da25885752d5dbe48", Level::debug, false,
     "A worker loop began to work on a job that it had claimed.",
     "Nothing."},
    {"memoir.worker.job_succeeded", "7ad6e0a28c8d4e039d1e8e72ca20e7bf", Level::info, false,
     "A job was completed: its effects and the deletion of its row were committed together.",
     "Nothing."},
    {"memoir.worker.kind_unserved", "fd7189a46b57412da5885fdd3ddf7425", Level::warning, true,
     "This process leaves jobs of this kind to other hosts: no lane serves it, or its backend is not configured on this host.",
     "Configure the backend or the lane, or set worker.unconfigured = \"complete\"."},
    {"memoir.worker.lease_lost", "ce6e9d683adf4467b68ce208f0e2e4cd", Level::warning, true,
     "A job's row is no longer held by this claim: another process recovered or deleted it. The work on it was cancelled and changed nothing.",
     "If rare: nothing. If frequent: the host is overloaded, or the database answers too slowly for worker.lease."},
    {"memoir.worker.lease_recovered", "cac6dfc4dd1d417b92701a13ab76fdf6", Level::warning, true,
     "A job whose holder no longer renewed its lease is pending again. MEMOIR_OUTCOME says whether the holder was a memoird or another worker.",
     "Find out why the holder died: see its journal and the kernel's out-of-memory messages."},
    {"memoir.worker.lease_recovery_failed", "4c1e7e48221a43d4b169fe1793818b25", Level::warning, true,
     "The heartbeat, or the search for jobs of dead holders, failed. It is tried again.",
     "If it lasts, check the database and the grants."},
    {"memoir.worker.shutdown", "b3acc2e7415e424bbac2733d2dcf30aa", Level::info, true,
     "memoird stopped claiming and drained. Outcome drained: all running jobs were finished; timeout: the rest were cancelled and released without counting an attempt.",
     "On timeout: raise worker.drain_timeout if jobs usually take longer."},
    {"memoir.worker.source_missing", "bea9d232e2a94400bf3cf6bcfad15637", Level::debug, false,
     "The memory was deleted while a job for it ran; the job went with it.",
     "Nothing."},
    {"memoir.worker.started", "4ab55614157646018e9f395d43cee799", Level::info, true,
     "memoird is ready: the database is connected, the schema is valid and every endpoint was probed once. The fields name the process and the kinds that it serves.",
     "Nothing."},
    {"memoir.worker.status", "f06806a4a32c4c528d4e3b5632e01c2a", Level::info, true,
     "The answer to SIGUSR1: what is running and which backends are unavailable.",
     "Nothing."},
    {"memoir.worker.uncharge_failed", "c41a7e90d5b24f3d9be6035f18a2d7c6", Level::warning, true,
     "A backend refused several jobs together, which is no job's fault; the attempts that were counted for the first of them could not be taken back.",
     "Nothing; if it lasts, check the database."},
    // clang-format on
};

static_assert(std::ranges::is_sorted(entries, {}, &CatalogEntry::name), "find_event searches by halves");

// journald's catalog knows no wrapping of its own; man pages and journalctl -x look best below 80 columns.
std::string wrapped(std::string_view text) {
    constexpr std::size_t width = 78;
    std::string out;
    std::size_t column = 0;
    while (!text.empty()) {
        const std::size_t length = std::min(text.find(' '), text.size());
        if (column > 0) {
            const bool fits = column + 1 + length <= width;
            out += fits ? ' ' : '\n';
            column = fits ? column + 1 : 0;
        }
        out += text.substr(0, length);
        column += length;
        text.remove_prefix(std::min(length + 1, text.size()));
    }
    return out;
}

}  // namespace

std::span<const CatalogEntry> catalog() {
    return entries;
}

const CatalogEntry* find_event(std::string_view name) {
    const auto* found = std::ranges::lower_bound(entries, name, {}, &CatalogEntry::name);
    return found != std::end(entries) && found->name == name ? found : nullptr;
}

std::string journal_catalog() {
    std::string out =
        "# What memoird's journal entries mean; `journalctl -x` shows it. Generated from\n"
        "# src/telemetry/catalog.cpp: edit that, then run test_telemetry \"[write-catalog]\".\n";
    for (const CatalogEntry& entry : entries) {
        out += "\n-- " + std::string(entry.id) + "\nSubject: " + std::string(entry.name) +
               "\nDefined-By: memoird\nDocumentation: man:memoird(8)\n\n" + wrapped(entry.meaning) + "\n";
        if (entry.action != "Nothing.") out += "\nWhat to do: " + wrapped(entry.action) + "\n";
    }
    return out;
}

}  // namespace memoir::telemetry
