CREATE TABLE `client_places` (
	`client_id` text PRIMARY KEY NOT NULL,
	`workspace_id` integer NOT NULL
) WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE `move_changes` (
	`seq` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`workspace_id` integer NOT NULL,
	`table_name` text NOT NULL,
	`row_key` text NOT NULL
);
--> statement-breakpoint
CREATE INDEX `move_changes_by_workspace` ON `move_changes` (`workspace_id`,`seq`);--> statement-breakpoint
CREATE TABLE `moves` (
	`key` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`workspace_id` integer NOT NULL,
	`source` integer NOT NULL,
	`target` integer NOT NULL,
	`state` text NOT NULL,
	`step` integer DEFAULT 0 NOT NULL,
	`place` text,
	`rows` integer DEFAULT 0 NOT NULL,
	`changes` integer DEFAULT 0 NOT NULL,
	`paused` integer,
	`problem` text,
	`created_at` integer NOT NULL,
	`updated_at` integer NOT NULL,
	`ended_at` integer
);
--> statement-breakpoint
CREATE UNIQUE INDEX `moves_unended` ON `moves` (`workspace_id`) WHERE ended_at IS NULL;--> statement-breakpoint
CREATE INDEX `moves_by_workspace` ON `moves` (`workspace_id`,`key`);--> statement-breakpoint
CREATE TABLE `places` (
	`workspace_id` integer PRIMARY KEY NOT NULL,
	`shard` integer NOT NULL,
	`state` text DEFAULT 'settled' NOT NULL,
	`target` integer,
	`former` integer,
	`changed_at` integer NOT NULL
);
--> statement-breakpoint
CREATE INDEX `places_by_shard` ON `places` (`shard`);--> statement-breakpoint
CREATE INDEX `places_moved` ON `places` (`changed_at`) WHERE target IS NOT NULL OR former IS NOT NULL;
