-- The schema as other programs' migrations leave it, written from docs/contract.md, "PostgreSQL", in their order, for comparison
-- with what `memoirctl schema apply` creates. Runs with search_path set to the schema.

-- m20000000_000001_create_memories
create or replace function update_updated_at_column() returns trigger as $$
begin
    new.updated_at = current_timestamp;
    return new;
end;
$$ language plpgsql;
create table memories (
    id bigserial not null primary key,
    pid text not null,
    agent_id text not null,
    org_id text not null,
    user_id text not null,
    content text not null,
    metadata jsonb not null default '{}'::jsonb,
    kind text not null default 'episodic',
    qdrant_status text not null default 'pending',
    created_at timestamp with time zone not null default current_timestamp,
    updated_at timestamp with time zone not null default current_timestamp,
    source_pid text null references memories (pid) on delete cascade,
    constraint memories_pid_key unique (pid)
);
alter table memories add constraint memories_kind_check check (kind in ('episodic', 'semantic'));
alter table memories add constraint memories_qdrant_status_check
    check (qdrant_status in ('pending', 'indexed', 'failed'));
create index memories_scope_idx on memories (agent_id, org_id, user_id);
create index memories_kind_scope_idx on memories (kind, agent_id, org_id, user_id);
create index memories_qdrant_status_idx on memories (qdrant_status) where qdrant_status <> 'indexed';
create index memories_source_pid_idx on memories (source_pid) where source_pid is not null;
create trigger set_updated_at before update on memories
    for each row execute function update_updated_at_column();
-- m20000000_000002_create_memory_jobs
create table memory_jobs (
    id bigserial not null primary key,
    source_pid text not null references memories (pid) on delete cascade,
    kind text not null,
    state text not null default 'pending',
    payload jsonb not null default '{}'::jsonb,
    attempts integer not null default 0,
    failure_reason text null,
    claimed_at timestamp with time zone null,
    claimed_by text null,
    created_at timestamp with time zone not null default current_timestamp,
    updated_at timestamp with time zone not null default current_timestamp,
    constraint memory_jobs_kind_check check (kind in ('embed', 'extract')),
    constraint memory_jobs_state_check check (state in ('pending', 'claimed', 'failed'))
);
create index memory_jobs_pending_idx on memory_jobs (created_at) where state = 'pending';
create index memory_jobs_claimed_idx on memory_jobs (claimed_at) where state = 'claimed';
create trigger set_updated_at before update on memory_jobs
    for each row execute function update_updated_at_column();
-- m20000000_000003_add_superseded_by
alter table memories add column superseded_by text null references memories (pid) on delete set null;
create index memories_superseded_by_idx on memories (superseded_by) where superseded_by is not null;
-- m20000000_000004_add_event_at
alter table memories add column event_at timestamp with time zone null;
create index memories_event_at_idx on memories (event_at) where event_at is not null;
-- m20000000_000005_create_supersession_events
create table supersession_events (
    id bigserial not null primary key,
    loser_pid text not null references memories (pid) on delete cascade,
    winner_pid text null references memories (pid) on delete set null,
    decided_at timestamp with time zone not null default now(),
    check (loser_pid <> winner_pid)
);
create index supersession_events_loser_decided_idx on supersession_events (loser_pid, decided_at desc);
create index supersession_events_decided_at_idx on supersession_events (decided_at desc);
create or replace function sync_superseded_by_cache() returns trigger as $$
begin
    update memories set superseded_by = (
        select winner_pid from supersession_events
        where loser_pid = new.loser_pid order by decided_at desc, id desc limit 1
    ) where pid = new.loser_pid;
    return new;
end;
$$ language plpgsql;
create trigger sync_superseded_by_cache after insert on supersession_events
    for each row execute function sync_superseded_by_cache();
-- m20000000_000006_add_confidence_category_retirement
alter table memories add column confidence smallint not null default 100
    constraint memories_confidence_check check (confidence between 0 and 100);
alter table memories add column category text null;
alter table memories add column retirement_reason text null
    constraint memories_retirement_reason_check check (retirement_reason in ('rejected', 'stale'));
create index memories_retirement_reason_idx on memories (retirement_reason)
    where retirement_reason is not null;
-- m20000000_000007_add_categorize_job_kind to m20000000_000010_add_synthesize_job_kind
alter table memory_jobs drop constraint memory_jobs_kind_check;
alter table memory_jobs add constraint memory_jobs_kind_check
    check (kind in ('embed', 'extract', 'categorize', 'reprocess', 'relational_extract', 'synthesize'));
-- m20000000_000011_create_graph_triple_staging
create table graph_triple_staging (
    source_pid text not null primary key references memories (pid) on delete cascade,
    triples jsonb not null default '[]'::jsonb,
    created_at timestamp with time zone not null default current_timestamp
);
create table memoir_core_migrations (version varchar not null primary key, applied_at bigint not null);
insert into memoir_core_migrations
    select unnest(array[
        'm20000000_000001_create_memories', 'm20000000_000002_create_memory_jobs',
        'm20000000_000003_add_superseded_by', 'm20000000_000004_add_event_at',
        'm20000000_000005_create_supersession_events', 'm20000000_000006_add_confidence_category_retirement',
        'm20000000_000007_add_categorize_job_kind', 'm20000000_000008_add_reprocess_job_kind',
        'm20000000_000009_add_relational_extract_job_kind', 'm20000000_000010_add_synthesize_job_kind',
        'm20000000_000011_create_graph_triple_staging']), 1700000000;
