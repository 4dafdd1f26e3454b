import {
  DataTypeNode,
  PostgresAdapter,
  PostgresDialect,
  PostgresIntrospector,
  PostgresQueryCompiler,
  RawNode,
  sql,
} from 'kysely';
import type {
  ColumnDefinitionNode,
  DatabaseIntrospector,
  DatabaseMetadataOptions,
  DialectAdapter,
  Driver,
  Kysely,
  QueryCompiler,
  TableMetadata,
} from 'kysely';
import type { Pool } from 'pg';
import { OneWriterDriver } from './postgres-driver.ts';
import { StateError } from './state.ts';

/** Kysely's PostgreSQL dialect with the habits of SQLite that the state is built on. */
export class OneWriterDialect extends PostgresDialect {
  readonly #pool: Pool;
  readonly #source: string;

  constructor(pool: Pool, source: string) {
    super({ pool });
    this.#pool = pool;
    this.#source = source;
  }

  override createDriver(): Driver {
    return new OneWriterDriver(this.#pool, this.#source);
  }

  override createQueryCompiler(): QueryCompiler {
    return new BytewiseCompiler();
  }

  override createAdapter(): DialectAdapter {
    return new OneWriterAdapter();
  }

  // oxlint-disable-next-line typescript/no-explicit-any -- as Kysely declares it
  override createIntrospector(db: Kysely<any>): DatabaseIntrospector {
    return new OwnSchemaIntrospector(db);
  }
}

class OneWriterAdapter extends PostgresAdapter {
  // Migrations run in a transaction that writes, which holds the lock already.
  override async acquireMigrationLock(): Promise<void> {}
  override async releaseMigrationLock(): Promise<void> {}
}

/** Tables where ours would be made: other schemas of the database are no concern of ours, nor are views. */
class OwnSchemaIntrospector extends PostgresIntrospector {
  readonly #db: Kysely<unknown>;

  constructor(db: Kysely<unknown>) {
    super(db);
    this.#db = db;
  }

  override async getTables(options?: DatabaseMetadataOptions): Promise<TableMetadata[]> {
    const query = sql<{ own: string | null }>`select current_schema() as own`;
    const [row] = (await query.execute(this.#db)).rows;
    const own = row?.own ?? null;
    if (own === null) {
      throw new StateError('state/url', 'the database has no schema of the search path');
    }
    const all = await super.getTables(options);
    return all.filter(({ schema, isView }) => schema === own && !isView);
  }
}

/** Texts are compared by their bytes, as in SQLite, whatever language the database was made for. */
class BytewiseCompiler extends PostgresQueryCompiler {
  protected override visitColumnDefinition(node: ColumnDefinitionNode): void {
    const { dataType } = node;
    const isText = DataTypeNode.is(dataType) && dataType.dataType === 'text';
    super.visitColumnDefinition(
      isText ? { ...node, dataType: RawNode.createWithSql('text collate "C"') } : node,
    );
  }
}
