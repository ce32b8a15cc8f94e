CREATE TABLE `idempotency_keys` (
	`workspace_id` integer NOT NULL,
	`client_id` text NOT NULL,
	`key_hash` text NOT NULL,
	`request` text NOT NULL,
	`fingerprint` text NOT NULL,
	`at` integer NOT NULL,
	`made` text,
	`answer` text,
	PRIMARY KEY(`workspace_id`, `client_id`, `key_hash`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE INDEX `idempotency_keys_by_time` ON `idempotency_keys` (`at`);--> statement-breakpoint
CREATE INDEX `idempotency_keys_answered` ON `idempotency_keys` (`workspace_id`) WHERE answer IS NOT NULL;--> statement-breakpoint
CREATE TABLE `resumable_uploads` (
	`key` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`id` text NOT NULL,
	`workspace_id` integer NOT NULL,
	`group_id` text,
	`length` integer NOT NULL,
	`offset` integer DEFAULT 0 NOT NULL,
	`file_name` text NOT NULL,
	`fields` text NOT NULL,
	`if_match` text,
	`file_key` text NOT NULL,
	`multipart` text,
	`parts` text DEFAULT '[]' NOT NULL,
	`sha256` text,
	`format` text,
	`claim` text,
	`created_at` integer NOT NULL,
	`updated_at` integer NOT NULL,
	`job_id` text
);
--> statement-breakpoint
CREATE UNIQUE INDEX `resumable_uploads_by_id` ON `resumable_uploads` (`workspace_id`,`id`);--> statement-breakpoint
CREATE INDEX `resumable_uploads_open` ON `resumable_uploads` (`workspace_id`,`length`) WHERE `job_id` IS NULL;--> statement-breakpoint
CREATE INDEX `resumable_uploads_by_time` ON `resumable_uploads` (`updated_at`);--> statement-breakpoint
ALTER TABLE `members` ADD `was_removed_rev` integer;