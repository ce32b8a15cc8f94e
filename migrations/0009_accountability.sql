CREATE TABLE `erased_people` (
	`workspace_id` integer NOT NULL,
	`person_hash` text NOT NULL,
	`erased_at` integer NOT NULL,
	PRIMARY KEY(`workspace_id`, `person_hash`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE INDEX `erased_people_by_workspace` ON `erased_people` (`workspace_id`,`erased_at`);--> statement-breakpoint
CREATE INDEX `erased_people_by_time` ON `erased_people` (`erased_at`);--> statement-breakpoint
CREATE TABLE `erasure_people` (
	`erasure_key` integer NOT NULL,
	`person_id` text NOT NULL,
	PRIMARY KEY(`erasure_key`, `person_id`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE `erasures` (
	`key` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`id` text NOT NULL,
	`workspace_id` integer NOT NULL,
	`people` integer NOT NULL,
	`person_hash` text,
	`state` text NOT NULL,
	`step` integer DEFAULT 0 NOT NULL,
	`place` text,
	`removed` text NOT NULL,
	`actor` text,
	`created_at` integer NOT NULL,
	`updated_at` integer NOT NULL,
	`ended_at` integer
);
--> statement-breakpoint
CREATE UNIQUE INDEX `erasures_by_id` ON `erasures` (`workspace_id`,`id`);--> statement-breakpoint
CREATE INDEX `erasures_unended` ON `erasures` (`updated_at`) WHERE ended_at IS NULL;--> statement-breakpoint
CREATE TABLE `event_digests` (
	`workspace_id` integer NOT NULL,
	`day` text NOT NULL,
	`first` text,
	`last` text,
	`last_key` integer NOT NULL,
	`count` integer NOT NULL,
	`sha256` text NOT NULL,
	`previous` text,
	`signature` text NOT NULL,
	PRIMARY KEY(`workspace_id`, `day`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE `revocations` (
	`client_id` text PRIMARY KEY NOT NULL,
	`workspace_id` integer NOT NULL,
	`not_before` integer NOT NULL
);
--> statement-breakpoint
CREATE TABLE `workspaces` (
	`workspace_id` integer PRIMARY KEY NOT NULL,
	`users` integer DEFAULT 0 NOT NULL
);
--> statement-breakpoint
INSERT INTO `workspaces` (`workspace_id`, `users`) SELECT `workspace_id`, count(*) FROM `users` GROUP BY `workspace_id`;--> statement-breakpoint
ALTER TABLE `clients` ADD `former_secret_hash` text;--> statement-breakpoint
ALTER TABLE `clients` ADD `former_until` integer;--> statement-breakpoint
ALTER TABLE `clients` ADD `token_lifetime` integer;--> statement-breakpoint
ALTER TABLE `clients` ADD `expires_at` integer;--> statement-breakpoint
CREATE INDEX `clients_by_former` ON `clients` (`former_until`) WHERE former_secret_hash IS NOT NULL;--> statement-breakpoint
ALTER TABLE `events` ADD `actor_id` text;--> statement-breakpoint
ALTER TABLE `events` ADD `actor` text;--> statement-breakpoint
ALTER TABLE `events` ADD `object_kind` text;--> statement-breakpoint
ALTER TABLE `events` ADD `object_id` text;--> statement-breakpoint
ALTER TABLE `events` ADD `change` text;--> statement-breakpoint
CREATE INDEX `events_by_actor` ON `events` (`workspace_id`,`actor_id`,`key`) WHERE actor_id IS NOT NULL;--> statement-breakpoint
CREATE INDEX `events_by_object` ON `events` (`workspace_id`,`object_kind`,`object_id`,`key`) WHERE object_kind IS NOT NULL;--> statement-breakpoint
ALTER TABLE `jobs` ADD `actor` text;--> statement-breakpoint
ALTER TABLE `jobs` ADD `erasure_key` integer;--> statement-breakpoint
CREATE INDEX `jobs_by_erasure` ON `jobs` (`erasure_key`) WHERE erasure_key IS NOT NULL;--> statement-breakpoint
ALTER TABLE `recompute_runs` ADD `actor` text;--> statement-breakpoint
CREATE INDEX `recompute_runs_unended_by_workspace` ON `recompute_runs` (`workspace_id`,`key`) WHERE ended_at IS NULL;--> statement-breakpoint
CREATE INDEX `experience_groups_to_prune` ON `experience_groups` (`updated_at`) WHERE removed_since_prune > 0 AND deleted_at IS NULL;--> statement-breakpoint
CREATE INDEX `webhooks_by_former` ON `webhooks` (`former_until`) WHERE former_secret IS NOT NULL;
