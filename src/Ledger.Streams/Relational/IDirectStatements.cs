namespace Ledger.Streams.Relational;

/// <summary>Statements that go to a database past the driver's commands; used by one caller at a time.</summary>
internal interface IDirectStatements : IDisposable
{
    /// <summary>Runs a statement, and leaves aside what rows it has.</summary>
    /// <param name="sql">The statement, with parameters @p0, @p1, …</param>
    /// <param name="values">Their values.</param>
    /// <returns>Rows that it changed; null when the driver must run it.</returns>
    /// <exception cref="System.Data.Common.DbException">The database refused it.</exception>
    int? TryExecute(string sql, IReadOnlyList<object?> values);

    /// <summary>The numbers in the first row of a statement, and runs it to its end.</summary>
    /// <param name="sql">The statement, with parameters @p0, @p1, …</param>
    /// <param name="values">Their values.</param>
    /// <param name="numbers">The first columns go here; 0 for null. As it was when there is no row.</param>
    /// <returns>Whether there is a row; null when the driver must run it.</returns>
    /// <exception cref="System.Data.Common.DbException">The database refused it.</exception>
    bool? TryFind(string sql, IReadOnlyList<object?> values, Span<long> numbers);
}
